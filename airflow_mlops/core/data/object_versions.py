"""What a versioned bucket holds: the latest version of each object, from its listing alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from airflow_mlops.core.aws.s3_options import S3Requests
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress

#: The version of an object that was written while the bucket kept no versions: it can be overwritten.
NULL_VERSION = "null"
_LINE_EVERY = 20_000
#: Answers of a server that does not know the question, or not from us.
_REFUSALS = (403, 405, 501)


class ObjectVersion(NamedTuple):
    """The latest version of one object: its path, its size in bytes, and how S3 tells it from others."""

    path: str
    size: int
    version_id: str
    etag: str


class NotPinnable(DataError):
    """The bucket's objects can't be pinned by their versions; the text says why."""


def require_versioning(client: Any, bucket: str, requests: S3Requests) -> None:
    """:raises NotPinnable: if the bucket keeps no versions, or does not say so."""
    with _asking("say whether it is versioned"):
        status = client.get_bucket_versioning(Bucket=bucket, **requests.bucket).get("Status")
    if status not in ("Enabled", "Suspended"):
        raise NotPinnable("the bucket is not versioned")


def latest_versions(
    client: Any, bucket: str, prefix: str, requests: S3Requests, progress: Progress
) -> Iterator[ObjectVersion]:
    """The latest version of each object below a prefix, with whole keys as paths; deleted objects are none.

    :raises NotPinnable: if we may not list versions.
    """
    seen = 0
    with _asking("list versions for us"):
        pages = client.get_paginator("list_object_versions").paginate(
            Bucket=bucket, Prefix=prefix, **requests.object
        )
        for page in pages:
            there = page.get("Versions", ())
            for one in there:
                if one["IsLatest"]:
                    etag = one["ETag"].strip('"')
                    yield ObjectVersion(one["Key"], one["Size"], one["VersionId"], etag)
            seen += len(there)
            if seen // _LINE_EVERY > (seen - len(there)) // _LINE_EVERY:
                progress(f"listed {seen:,} object versions of s3://{bucket}/{prefix}")


def require_readable(client: Any, bucket: str, key: str, version_id: str, requests: S3Requests) -> None:
    """Ask for one version of an object: that takes another permission than to read the latest.

    :raises NotPinnable: if we may not read it.
    """
    from botocore.exceptions import ClientError

    from airflow_mlops.core.store.s3_errors import is_missing

    with _asking("hand out versions to us"):
        try:
            client.head_object(Bucket=bucket, Key=key, VersionId=version_id, **requests.object)
        except ClientError as error:
            if not is_missing(error):  # deleted for good since it was listed: reading will name it
                raise


@contextmanager
def _asking(what: str) -> Iterator[None]:
    from botocore.exceptions import ClientError

    from airflow_mlops.core.aws.said import code, status

    try:
        yield
    except ClientError as error:
        if status(error) not in _REFUSALS:
            raise
        raise NotPinnable(f"the bucket does not {what} ({code(error)})") from None
