"""From a URI to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.folder import FolderStore


def open_store(uri: str, s3_client: Any = None, s3_options: S3Options | None = None) -> Store:
    """Open the store at ``uri``.

    :param uri: a folder's path, ``file:///path`` or ``s3://bucket/prefix``.
    :param s3_client: a boto3 S3 client; without one, boto3 makes its own from the environment.
    :param s3_options: encryption, locks, checksums, owner; without any, those of the environment.
    :raises PlatformError: for another kind of URI.
    :raises StoreError: if the place can't hold a store.
    """
    folder = folder_of(uri)
    if folder is not None:
        return FolderStore(folder)
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme == "s3" and bucket:
        from airflow_mlops.core.store.s3 import S3Store

        return S3Store(bucket, prefix.strip("/"), s3_client, s3_options)
    raise PlatformError(
        "store is not a place that is known",
        given=repr(uri),
        expected="a folder, file:///path or s3://bucket/prefix",
    )


def folder_of(uri: str) -> Path | None:
    """The folder that a path or ``file:///path`` names, whether it is there or not; None where it names none."""
    scheme, colon, rest = uri.partition("://")
    if uri and not colon:
        return Path(uri).expanduser().absolute()
    return Path(unquote(rest)) if scheme == "file" and rest.startswith("/") else None
