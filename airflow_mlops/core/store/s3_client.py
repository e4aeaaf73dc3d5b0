"""A boto3 client of our own, for when nobody hands one in."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow_mlops.core.errors import StoreError

_CONFIG: dict[str, Any] = {
    # botocore's standard mode: exponential backoff with full jitter, also for throttling.
    "retries": {"mode": "standard", "total_max_attempts": 6},
    "max_pool_connections": 32,
    "connect_timeout": 10,
    "read_timeout": 60,
}


def make_client() -> Any:
    """A boto3 S3 client from the environment, as boto3 does (``AWS_ENDPOINT_URL_S3``, ``AWS_PROFILE``).

    A server that is not AWS is addressed by path, because its bucket names are no host names.

    :raises StoreError: if boto3 is missing or its configuration can't be used.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise StoreError("a store on S3 needs boto3", remedy="pip install 'airflow-mlops[amazon]'") from None
    try:
        session = boto3.session.Session()
        client = session.client("s3", config=Config(**_CONFIG))
        host = urlsplit(client.meta.endpoint_url).hostname or ""
        if ".amazonaws." not in host and "addressing_style" not in (
            getattr(client.meta.config, "s3", None) or {}
        ):
            client = session.client("s3", config=Config(**_CONFIG, s3={"addressing_style": "path"}))
    except (BotoCoreError, ValueError) as error:
        raise StoreError(
            "boto3 can't make an S3 client",
            given=" ".join(str(error).split()),
            remedy="correct the AWS_... environment variables or ~/.aws/config",
        ) from error
    return client
