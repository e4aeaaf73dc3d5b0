"""SageMaker reads models from S3, and writes what it captures there: the store has to be on it."""

from __future__ import annotations

from airflow_mlops.core.errors import PlatformError


def require_on_s3(store_uri: str) -> str:
    """The store's URI. :raises PlatformError: if SageMaker can't read it."""
    if not store_uri.startswith("s3://"):
        raise PlatformError(
            "SageMaker reads models from S3",
            given=f"store {store_uri}",
            expected="s3://bucket/prefix",
            remedy="set field store of the mlops connection",
        )
    return store_uri
