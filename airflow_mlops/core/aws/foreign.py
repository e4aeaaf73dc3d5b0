"""Whether a bucket is of another account than expected: S3 answers 403 to that as to any other refusal."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.aws.causes import Cause
from airflow_mlops.core.aws.s3_options import S3Requests
from airflow_mlops.core.aws.said import status


def foreign(error: Exception, client: Any, bucket: str, prefix: str, requests: S3Requests) -> Cause | None:
    """The cause of a refusal, None when it is none or another.

    :param error: of a request to the bucket that named its owner.
    :param prefix: below which we may list keys.
    """
    owner = requests.bucket.get("ExpectedBucketOwner")
    if owner is None or status(error) != 403 or _answers(client, bucket, prefix, requests.object):
        return None
    remedy = "correct bucket_owner of field s3, or the bucket's name"
    anyone = {name: value for name, value in requests.object.items() if name not in requests.bucket}
    if _answers(client, bucket, prefix, anyone):
        return Cause(f"bucket {bucket} is not of account {owner}", remedy)
    return Cause(
        "access is denied",
        f"let the role of the AWS connection use the bucket; if it is not of account {owner}, {remedy}",
    )


def look(client: Any, bucket: str, prefix: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Ask a bucket for one key: policies allow that below a prefix, and HeadBucket only in the whole bucket."""
    answer: dict[str, Any] = client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1, **arguments)
    return answer


def _answers(client: Any, bucket: str, prefix: str, arguments: dict[str, Any]) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        look(client, bucket, prefix, arguments)
    except (BotoCoreError, ClientError):
        return False
    return True
