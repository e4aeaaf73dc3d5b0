"""A data root on S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from airflow_mlops.core.data.glob import check_path, fixed_prefix, path_matches
from airflow_mlops.core.data.source import SourceFile, nothing_matches
from airflow_mlops.core.errors import DataError

_CHUNK = 1 << 20
_MOST_SEEN = 20


class S3Root:
    """A data root in a bucket, below a prefix.

    :param bucket: the bucket's name.
    :param prefix: key prefix without slashes at its ends; may be empty.
    :param client: a boto3 S3 client; without one, it is made from the environment.
    """

    def __init__(self, bucket: str, prefix: str = "", client: Any = None) -> None:
        if client is None:
            from airflow_mlops.core.store.s3_client import make_client

            client = make_client()
        self._client = client
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
            there = list(self._seen(fixed)) or list(self._seen(""))
            raise nothing_matches(self.uri, glob, there)
        return sorted(found, key=lambda one: one.path)

    def fetch(self, path: str, to: Path) -> None:
        """See :meth:`DataRoot.fetch`."""
        from airflow_mlops.core.data.landing import landing

        with self._reading(path), landing(to) as aside, aside.open("wb") as target:
            for chunk in self._body(path).iter_chunks(_CHUNK):
                target.write(chunk)

    def read_bytes(self, path: str) -> bytes:
        """See :meth:`DataRoot.read_bytes`."""
        with self._reading(path):
            content: bytes = self._body(path).read()
            return content

    def _body(self, path: str) -> Any:
        key = self._prefix + "/".join(check_path(path))
        return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]

    def _below(self, folder: str) -> Iterator[SourceFile]:
        start = len(self._prefix)
        with self._reading(folder or "its objects"):
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + folder
            ):
                for one in page.get("Contents", ()):
                    yield SourceFile(one["Key"][start:], one["Size"])

    def _seen(self, folder: str) -> Iterator[str]:
        """The first names right below a folder, for an error message."""
        with self._reading(folder or "its objects"):
            page = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=self._prefix + folder, Delimiter="/", MaxKeys=_MOST_SEEN
            )
        start = len(self._prefix)
        for one in page.get("CommonPrefixes", ()):
            yield one["Prefix"][start:]
        for one in page.get("Contents", ()):
            yield one["Key"][start:]

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.store.s3_errors import explain, is_missing

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            if is_missing(error):
                raise DataError(f"{what} is missing in {self.uri}") from None
            told = explain(error, f"read {what}", self.uri)
            raise DataError(told.problem, given=told.given, remedy=told.remedy) from None
