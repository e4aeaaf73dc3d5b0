"""A store below a prefix of an S3 bucket."""

from __future__ import annotations

import hashlib
import random
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from airflow_mlops.core.aws.environment import EnvironmentAws
from airflow_mlops.core.aws.foreign import foreign
from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.aws.said import status
from airflow_mlops.core.errors import KeyExists, KeyMissing, StoreError
from airflow_mlops.core.store import s3_errors
from airflow_mlops.core.store.arrival import CHUNK, arriving, check_hash, chunks_of
from airflow_mlops.core.store.base import Item, check_key, check_prefix, is_key
from airflow_mlops.core.store.full_checksum import require_checksum
from airflow_mlops.core.store.multipart import PART_BYTES, upload_parts
from airflow_mlops.core.store.removal import check_removable
from airflow_mlops.core.store.scratch import check_scratch

_TRIES = 6
_WRITER = "writer"  # object metadata: who made it, so that a repeated request knows its own object


class S3Store:
    """Objects of a bucket. ``create`` is a conditional write (``If-None-Match: *``); one of many wins.

    Every general purpose bucket lists in the order of keys; S3 Express directory buckets don't.

    :param bucket: the bucket's name.
    :param prefix: where in the bucket the store begins, without slashes at its ends; empty for all of it.
    :param client: a boto3 S3 client; without one, boto3 makes its own from the environment.
    :param options: encryption, locks, checksums, owner; without any, those of the environment.
    :raises StoreError: if the prefix is not allowed.
    :raises PlatformError: if no client can be made.
    """

    def __init__(
        self, bucket: str, prefix: str = "", client: Any = None, options: S3Options | None = None
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{check_key(prefix)}/" if prefix else ""
        self._client = EnvironmentAws().client("s3") if client is None else client
        self._requests = (options or S3Options.of_environment()).of(bucket)
        require_checksum(self._requests.checksum)

    @property
    def uri(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    def read(self, key: str) -> bytes:
        """See :meth:`Store.read`."""
        return b"".join(self._stream(key))

    def create(self, key: str, data: bytes) -> None:
        """See :meth:`Store.create`."""
        target = self._target(key)
        self._claim(
            key,
            lambda mark: self._client.put_object(
                **target, **self._requests.new(key), Body=data, IfNoneMatch="*", Metadata=mark
            ),
        )

    def exists(self, key: str) -> bool:
        """See :meth:`Store.exists`."""
        return self._writer_of(key) is not None

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        """See :meth:`Store.list`."""
        wanted = {
            "Bucket": self._bucket,
            "Prefix": self._prefix + check_prefix(prefix),
            **self._requests.object,
        }
        if start_after:
            wanted["StartAfter"] = self._prefix + start_after
        return self._list(wanted)

    def folders(self, prefix: str) -> Iterator[str]:
        """See :meth:`Folders.folders`. One call for each thousand of them."""
        whole = self._prefix + check_prefix(prefix)
        wanted = {"Bucket": self._bucket, "Prefix": whole, "Delimiter": "/", **self._requests.object}
        with self._explained(f"list {whole}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(**wanted):
                for found in page.get("CommonPrefixes", ()):
                    name = found["Prefix"][len(whole) : -1]
                    if is_key(name):
                        yield name

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """See :meth:`Store.upload`.

        A file above 16 MiB goes up in parts, a few at once, with about 100 MiB in memory.
        """
        if self.exists(key):
            raise self._taken(key)
        target = self._target(key)
        if path.is_file() and path.stat().st_size > PART_BYTES:
            self._claim(
                key,
                lambda mark: upload_parts(
                    self._client,
                    path,
                    sha256,
                    target,
                    self._requests,
                    {**self._requests.new(key), "Metadata": mark},
                ),
            )
            return
        data = b"".join(chunks_of(path))
        check_hash(hashlib.sha256(data).hexdigest(), sha256, str(path))
        self.create(key, data)

    def download(self, key: str, path: Path, sha256: str) -> None:
        """See :meth:`Store.download`."""
        with closing(self._stream(key)) as chunks, arriving(path, sha256, f"{self.uri}/{key}") as target:
            for chunk in chunks:
                target.write(chunk)

    def discard_scratch(self, key: str) -> None:
        """See :meth:`Scratch.discard_scratch`."""
        with self._explained(f"remove {check_scratch(key)}"):
            self._client.delete_object(**self._target(key), **self._requests.object)

    def remove(self, key: str) -> None:
        """See :meth:`Removal.remove`."""
        with self._explained(f"remove {check_removable(key)}"):
            self._client.delete_object(**self._target(key), **self._requests.object)

    def why_unsafe(self) -> str:
        """See :meth:`Scratch.why_unsafe`."""
        if self._is_versioned():
            return (
                "the bucket is versioned, and this server (as radosgw) ignores If-None-Match there: "
                "use an unversioned bucket for the store; AWS keeps the promise on both"
            )
        return (
            "this server ignores conditional writes (If-None-Match): use AWS, another S3 server or a folder"
        )

    def _is_versioned(self) -> bool:
        """Whether the bucket says so; a server that can't be asked counts as no."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return bool(self._versioning() == "Enabled")
        except (BotoCoreError, ClientError):
            return False

    def _versioning(self) -> str | None:
        answer = self._client.get_bucket_versioning(Bucket=self._bucket, **self._requests.bucket)
        status: str | None = answer.get("Status")
        return status

    def _target(self, key: str) -> dict[str, str]:
        """The object that holds ``key``, as boto3 names it."""
        return {"Bucket": self._bucket, "Key": check_key(self._prefix + check_key(key))}

    def _taken(self, key: str) -> KeyExists:
        return KeyExists(f"{key} exists in {self.uri}")

    def _claim(self, key: str, attempt: Callable[[dict[str, str]], object]) -> None:
        """Make a conditional write and find out who won.

        A refusal is not always a loss: the server may refuse botocore's repetition of a write that it did,
        but whose answer was lost; and with 409 two writers may be refused and none has won. So the object is
        asked who made it.

        :param attempt: writes with the metadata it is given, on the condition that the key is free.
        :raises KeyExists: if another writer's object stands under ``key``.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        mark = {_WRITER: uuid.uuid4().hex}
        for again in range(_TRIES):
            try:
                attempt(mark)
                return
            except (BotoCoreError, ClientError) as error:
                if not s3_errors.lost_race(error):
                    raise self._told(error, f"write {key}") from error
                if status(error) == 412 and not s3_errors.sent_twice(error):
                    raise self._taken(key) from None
            writer = self._writer_of(key)
            if writer == mark[_WRITER]:
                return
            if writer is not None:
                raise self._taken(key)
            _pause(again)
        raise StoreError(
            f"can't write {key} in {self.uri}",
            given=f"{_TRIES} conditional writes refused, though nothing is stored there",
            remedy="run it again later",
        )

    def _writer_of(self, key: str) -> str | None:
        """Who made the object under ``key``; empty when it does not say, None when there is no object."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._client.head_object(**self._target(key), **self._requests.object)
        except (BotoCoreError, ClientError) as error:
            if s3_errors.is_missing(error):
                return None
            raise self._told(error, f"look up {key}") from error
        return str(found.get("Metadata", {}).get(_WRITER, ""))

    def _stream(self, key: str) -> Generator[bytes, None, None]:
        """The bytes under ``key`` in pieces; a connection that breaks is taken up where it broke.

        :raises KeyMissing: if nothing is stored there.
        """
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        target, offset = self._target(key), 0
        for again in range(_TRIES):
            rest = {"Range": f"bytes={offset}-"} if offset else {}
            with self._explained(f"read {key}"):
                try:
                    with closing(self._open(key, {**target, **rest})) as body:
                        for chunk in body.iter_chunks(CHUNK):
                            offset += len(chunk)
                            yield chunk
                    return
                except (HTTPClientError, IncompleteReadError):
                    if again == _TRIES - 1:
                        raise
            _pause(again)

    def _open(self, key: str, target: dict[str, str]) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.get_object(**target, **self._requests.object)["Body"]
        except ClientError as error:
            if s3_errors.is_missing(error):
                raise KeyMissing(f"nothing is stored under {key} in {self.uri}") from None
            raise

    def _list(self, wanted: dict[str, str]) -> Iterator[Item]:
        with self._explained(f"list {wanted['Prefix']}"):
            for page in self._client.get_paginator("list_objects_v2").paginate(**wanted):
                for found in page.get("Contents", ()):
                    key = found["Key"].removeprefix(self._prefix)
                    if is_key(key):  # the console's folder markers, other people's objects
                        yield Item(key, int(found["Size"]))

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        """Turn an error of S3 or of the way there into one line."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as error:
            raise self._told(error, action) from error

    def _told(self, error: Exception, action: str) -> StoreError:
        cause = foreign(error, self._client, self._bucket, self._prefix, self._requests)
        return s3_errors.explain(error, action, self.uri, cause)


def _pause(again: int) -> None:
    """Wait up to 50 ms, 100 ms, ... (exponential backoff with full jitter)."""
    time.sleep(random.uniform(0, 0.05 * 2**again))  # noqa: S311 - spreads load, guards nothing
