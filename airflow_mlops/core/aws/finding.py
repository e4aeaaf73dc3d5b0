"""What a connection to AWS reaches: who we are, where, and whose bucket; asked with calls that change nothing."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow_mlops.core.aws.errors import explain, is_missing, passes
from airflow_mlops.core.aws.foreign import foreign, look
from airflow_mlops.core.aws.names import endpoint_name
from airflow_mlops.core.aws.s3_options import S3Requests
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import PlatformError


def found_account(aws: Aws) -> str:
    """Who we are, as ``account 123456789012 (user/airflow), region eu-central-1``.

    :raises PlatformError: if the credentials can't be used.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        known = aws.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError, ResponseParserError) as error:
        told = explain(error, "ask STS who we are")
        if told.remedy and not passes(error) and not isinstance(error, ResponseParserError):
            raise told from None
        # Who has S3's server alone, or a private subnet without STS, can work all the same.
        return f"account not known (STS does not answer), region {aws.region}"
    return f"account {known['Account']} ({known['Arn'].rpartition(':')[2]}), region {aws.region}"


def found_bucket(client: Any, uri: str, requests: S3Requests) -> tuple[str, str | None]:
    """The bucket of a URI, in words, and its region where the server says it.

    :raises PlatformError: if it is not there, not ours to use, or of another account than expected.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    parts = urlsplit(uri)
    bucket, path = parts.netloc, parts.path.strip("/")
    prefix = f"{path}/" if path else ""
    try:
        answer = look(client, bucket, prefix, requests.object)
    except (BotoCoreError, ClientError) as error:
        cause = foreign(error, client, bucket, prefix, requests)
        if cause is not None:
            raise PlatformError(f"can't use {uri}: {cause.says}", remedy=cause.remedy) from None
        raise explain(error, f"use {uri}") from None
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = headers.get("x-amz-bucket-region")
    return f"bucket {bucket}" + (f" in {region}" if region else ""), region


def found_sagemaker(aws: Aws, settings: SageMaker, bucket_region: str | None, *, jobs: bool = False) -> str:
    """That SageMaker answers us, in words.

    :param jobs: ask of a training job instead of an endpoint: who trains need not see endpoints.
    :raises PlatformError: if it does not let us, or the store is in another region: it reads no model from there.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    name = endpoint_name(settings.prefix, "no-such-model")
    client = aws.client("sagemaker")
    try:
        if jobs:
            client.describe_training_job(TrainingJobName=name)
        else:
            client.describe_endpoint(EndpointName=name)
    except (BotoCoreError, ClientError) as error:
        if not is_missing(error):
            raise explain(error, f"describe {'training job' if jobs else 'endpoint'} {name}") from None
    if bucket_region and aws.endpoint_url("s3") is None and bucket_region != aws.region:
        raise PlatformError(
            "the store is in another region than SageMaker, which reads models from its own alone",
            given=f"bucket in {bucket_region}, SageMaker in {aws.region}",
            remedy="correct region_name of the AWS connection, or the store's bucket",
        )
    return "SageMaker answers"
