"""A data root on S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from airflow_mlops.core.aws.foreign import foreign, look
from airflow_mlops.core.aws.s3_options import S3Options, S3Requests
from airflow_mlops.core.data.glob import check_path, fixed_prefix, path_matches
from airflow_mlops.core.data.object_versions import (
    NULL_VERSION,
    NotPinnable,
    ObjectVersion,
    latest_versions,
    require_readable,
    require_versioning,
)
from airflow_mlops.core.data.source import SourceFile, nothing_matches
from airflow_mlops.core.errors import DataError, DataMissing
from airflow_mlops.core.progress import Progress, ignore

_CHUNK = 1 << 20
_MOST_SEEN = 20
_TRIES = 3
_DENIED = ("AccessDenied", "AllAccessDisabled", "403")
_PERMISSIONS = (
    "allow s3:ListBucket and s3:GetObject on the data root; for a versioned bucket also s3:GetBucketVersioning, "
    "s3:ListBucketVersions and s3:GetObjectVersion"
)


class S3Root:
    """A data root in a bucket, below a prefix.

    :param bucket: the bucket's name.
    :param prefix: key prefix without slashes at its ends; may be empty.
    :param client: a boto3 S3 client; without one, it is made from the environment.
    :param options: who pays, and whose the bucket is; without any, those of the environment.
    """

    def __init__(
        self, bucket: str, prefix: str = "", client: Any = None, options: S3Options | None = None
    ) -> None:
        if client is None:
            from airflow_mlops.core.aws.environment import EnvironmentAws

            client = EnvironmentAws().client("s3")
        self._client = client
        self._options = options or S3Options.of_environment()
        self._requests = self._options.of(bucket)
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def list(self, glob: str) -> list[SourceFile]:
        """See :meth:`DataRoot.list`."""
        parts = check_path(glob)
        fixed = "".join(f"{part}/" for part in fixed_prefix(parts))
        found = [one for one in self._below(fixed) if path_matches(one.path.split("/"), parts)]
        if not found:
            raise self._nothing(glob, fixed)
        return sorted(found, key=lambda one: one.path)

    @property
    def client(self) -> Any:
        """The boto3 client that it reads with."""
        return self._client

    @property
    def requests(self) -> S3Requests:
        """What every request to the bucket says."""
        return self._requests

    def check_owner(self) -> None:
        """:raises DataError: if the bucket is of another account than the options say."""
        if self._requests.bucket:
            with self._reading("the bucket"):
                look(self._client, self._bucket, self._prefix, self._requests.object)

    def at(self, uri: str) -> S3Root:
        """The root at another URI of S3, with the same client and options."""
        parts = urlsplit(uri)
        return S3Root(parts.netloc, parts.path.strip("/"), self._client, self._options)

    def versions(self, glob: str, progress: Progress = ignore) -> tuple[ObjectVersion, ...]:
        """The latest versions of the objects that match, sorted by path; deleted objects are none.

        :raises NotPinnable: if the bucket keeps no versions of them, or we may not list or read those.
        :raises DataError: as :meth:`list`.
        """
        parts, start = check_path(glob), len(self._prefix)
        fixed = "".join(f"{part}/" for part in fixed_prefix(parts))
        with self._reading(fixed or "its objects"):
            require_versioning(self._client, self._bucket, self._requests)
            listed = latest_versions(
                self._client, self._bucket, self._prefix + fixed, self._requests, progress
            )
            below = (one._replace(path=one.path[start:]) for one in listed)
            found = tuple(sorted(one for one in below if path_matches(one.path.split("/"), parts)))
            kept = next((one for one in found if one.version_id != NULL_VERSION), None)
            if kept:
                key = self._prefix + kept.path
                require_readable(self._client, self._bucket, key, kept.version_id, self._requests)
        if not found:
            raise self._nothing(glob, fixed)
        if kept is None:
            raise NotPinnable("no object was written since the bucket is versioned")
        return found

    def fetch(self, path: str, to: Path, version_id: str | None = None) -> None:
        """See :meth:`DataRoot.fetch`.

        :param version_id: S3's version of the object; the latest without one.
        """
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        what = path if version_id is None else f"{path} (version {version_id})"
        with self._reading(what):
            for left in reversed(range(_TRIES)):
                try:
                    self._write(self._body(path, version_id), to)
                    break
                except (HTTPClientError, IncompleteReadError):  # broken off: botocore begins no body again
                    if not left:
                        raise

    def read_bytes(self, path: str) -> bytes:
        """See :meth:`DataRoot.read_bytes`."""
        with self._reading(path):
            content: bytes = self._body(path).read()
            return content

    def tail(self, path: str, count: int, version_id: str | None = None) -> bytes:
        """The last ``count`` bytes of an object; all, if it has fewer. :raises DataError: as :meth:`read_bytes`."""
        with self._reading(path):
            content: bytes = self._body(path, version_id, Range=f"bytes=-{count}").read()
            return content

    def size(self, path: str, version_id: str | None = None) -> int:
        """Bytes of an object, without reading it. :raises DataError: as :meth:`fetch`."""
        version = {} if version_id is None else {"VersionId": version_id}
        key = self._prefix + "/".join(check_path(path))
        with self._reading(path):
            asked = {"Bucket": self._bucket, "Key": key, **version, **self._requests.object}
            return int(self._client.head_object(**asked)["ContentLength"])

    def _write(self, body: Any, to: Path) -> None:
        from airflow_mlops.core.data.landing import landing

        with landing(to) as aside, aside.open("wb") as target:
            for chunk in body.iter_chunks(_CHUNK):
                target.write(chunk)

    def _body(self, path: str, version_id: str | None = None, **more: str) -> Any:
        key = self._prefix + "/".join(check_path(path))
        version = {} if version_id is None else {"VersionId": version_id}
        asked = {"Bucket": self._bucket, "Key": key, **version, **more, **self._requests.object}
        return self._client.get_object(**asked)["Body"]

    def _below(self, folder: str) -> Iterator[SourceFile]:
        start = len(self._prefix)
        with self._reading(folder or "its objects"):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + folder, **self._requests.object
            ):
                for one in page.get("Contents", ()):
                    yield SourceFile(one["Key"][start:], one["Size"])

    def found(self, folder: str, after: str = "") -> Iterator[tuple[str, int, str, float]]:
        """Path, size, entity tag and time (seconds since 1970) of the objects below a folder, in the order of paths.

        :param folder: relative, with a slash at its end, or empty for all.
        :param after: only paths that sort after this one.
        :raises DataError: if the bucket can't be listed.
        """
        start = {"StartAfter": self._prefix + after} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + folder, **start, **self._requests.object
        )
        with self._reading(folder or "its objects"):
            for page in pages:
                for one in page.get("Contents", ()):
                    path = one["Key"][len(self._prefix) :]
                    yield path, one["Size"], one["ETag"].strip('"'), one["LastModified"].timestamp()

    def _nothing(self, glob: str, folder: str) -> DataError:
        return nothing_matches(self.uri, glob, tuple(self._seen(folder)) or tuple(self._seen("")))

    def _seen(self, folder: str) -> Iterator[str]:
        """The first names right below a folder, for an error message."""
        with self._reading(folder or "its objects"):
            page = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=self._prefix + folder,
                Delimiter="/",
                MaxKeys=_MOST_SEEN,
                **self._requests.object,
            )
        start = len(self._prefix)
        for one in page.get("CommonPrefixes", ()):
            yield one["Prefix"][start:]
        for one in page.get("Contents", ()):
            yield one["Key"][start:]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.aws.said import code, message, status
        from airflow_mlops.core.aws.wording import by_text
        from airflow_mlops.core.store.s3_errors import explain, is_missing

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            if is_missing(error):
                raise DataMissing(f"{what} is missing in {self.uri}") from None
            cause = foreign(error, self._client, self._bucket, self._prefix, self._requests) or by_text(
                message(error)
            )
            told = explain(error, f"read {what}", self.uri, cause)
            denied = cause is None and status(error) == 403 and code(error) in _DENIED
            remedy = _PERMISSIONS if denied else told.remedy
            raise DataError(told.problem, given=told.given, remedy=remedy) from None
