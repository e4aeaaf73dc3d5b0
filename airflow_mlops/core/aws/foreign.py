"""Whether a bucket is of another account than expected: S3 answers 403 to that as to any other refusal."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.aws.causes import Cause
from airflow_mlops.core.aws.s3_options import S3Requests
from airflow_mlops.core.aws.said import status


def foreign(error: Exception, client: Any, bucket: str, requests: S3Requests) -> Cause | None:
    """The cause of a refusal, None when it is none or another.

    :param error: of a request to the bucket that named its owner.
    """
    owner = requests.bucket.get("ExpectedBucketOwner")
    if owner is None or status(error) != 403 or _answers(client, bucket, ExpectedBucketOwner=owner):
        return None
    remedy = "correct bucket_owner of field s3, or the bucket's name"
    if _answers(client, bucket):
        return Cause(f"bucket {bucket} is not of account {owner}", f"{remedy}: nothing was written to it")
    return Cause(
        "access is denied",
        f"let the role of the AWS connection use the bucket; if it is not of account {owner}, {remedy}",
    )


def _answers(client: Any, bucket: str, **owner: str) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        client.head_bucket(Bucket=bucket, **owner)
    except (BotoCoreError, ClientError):
        return False
    return True
