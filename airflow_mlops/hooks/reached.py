"""What the AWS connections of a platform reach, in words: for the button that tests a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow_mlops.core.aws import finding
from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.platform import AWS_FIELDS

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.platform import Platform, Purpose


def reached(platform: Platform) -> list[str]:
    """Who we are, and the buckets and the SageMaker that answer us; nothing without an AWS connection.

    What a connection of one purpose reaches begins with the name of its field.

    :raises PlatformError: if a connection can't be used, or does not reach what it is for.
    """
    said, region = [], None
    if platform.aws is not None:
        aws = platform.aws()
        said.append(finding.found_account(aws))
        if platform.store_uri.startswith("s3://"):
            words, region = _bucket(platform, aws, platform.store_uri)
            said.append(words)
        for purpose in AWS_FIELDS:
            if purpose not in platform.own_aws:
                said += _found(platform, aws, purpose, region)
    for purpose, way in platform.own_aws.items():
        aws = way()
        words = "; ".join([finding.found_account(aws), *_found(platform, aws, purpose, region)])
        said.append(f"{AWS_FIELDS[purpose]}: {words}")
    return list(dict.fromkeys(said))


def _found(platform: Platform, aws: Aws, purpose: Purpose, region: str | None) -> list[str]:
    """What a connection reaches for a purpose; nothing where it is not needed. :param region: of the store's bucket."""
    if purpose == "data":
        on_s3 = platform.data_uri.startswith("s3://")
        return [_bucket(platform, aws, platform.data_uri)[0]] if on_s3 else []
    if purpose not in platform.purposes_on_sagemaker:
        return []
    settings = platform.sagemaker or SageMaker()
    return [finding.found_sagemaker(aws, settings, region, jobs=purpose == "training")]


def _bucket(platform: Platform, aws: Aws, uri: str) -> tuple[str, str | None]:
    options = platform.s3_options or S3Options.of_environment()
    return finding.found_bucket(aws.client("s3"), uri, options.of(urlsplit(uri).netloc))
