"""What the lifecycle asks of a place that holds bytes: four verbs, and nothing is ever overwritten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from airflow_mlops.core.errors import StoreError

_KEY_BYTES = 1024  # S3's limit for a whole key
_SEGMENT = r"[A-Za-z0-9][A-Za-z0-9._=+@-]{0,254}"  # 255 bytes: a file name's limit on common file systems
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*")


@dataclass(frozen=True)
class Item:
    """One stored object: its key and its size in bytes."""

    key: str
    size: int


@runtime_checkable
class Store(Protocol):
    """Immutable objects under slash-separated keys.

    A key is either an object or a folder of others, never both: a folder on disk refuses ``a/b`` beside
    ``a``, so don't rely on S3, which lets both be. What ``create`` or ``upload`` has stored outlives a crash.

    Implementations: :class:`~airflow_mlops.core.store.folder.FolderStore` and
    :class:`~airflow_mlops.core.store.s3.S3Store`; one contract suite runs over all of them.
    """

    @property
    def uri(self) -> str:
        """Where the store is: ``file:///path`` or ``s3://bucket/prefix``, without a trailing slash."""
        ...

    def read(self, key: str) -> bytes:
        """The bytes under ``key``. :raises KeyMissing: if there are none."""
        ...

    def create(self, key: str, data: bytes) -> None:
        """Write ``data`` under ``key``, whole or not at all. :raises KeyExists: if the key is taken."""
        ...

    def exists(self, key: str) -> bool:
        """Whether something is stored under ``key``."""
        ...

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        """All items whose key starts with ``prefix`` and sorts after ``start_after``, in the order of keys.

        Keys sort by their UTF-8 bytes, as S3 sorts them.
        """
        ...

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """Stream a file to ``key`` and check that its bytes hash to ``sha256``.

        Meant for keys that hold the hash (:mod:`~airflow_mlops.core.store.blobs`): some S3 servers let two
        writers complete one multipart upload each, which is harmless only when both bring the same bytes.

        :raises KeyExists: if the key is taken.
        :raises IntegrityError: if the file's bytes are not those of the hash; nothing is stored then.
        """
        ...

    def download(self, key: str, path: Path, sha256: str) -> None:
        """Stream ``key`` to the file ``path``, which appears whole or not at all.

        :raises KeyMissing: if nothing is stored under the key.
        :raises IntegrityError: if the bytes do not hash to ``sha256``; ``path`` is left as it was.
        """
        ...


@runtime_checkable
class Folders(Protocol):
    """What a store may have besides: the names in a folder without a listing of what lies below them."""

    def folders(self, prefix: str) -> Iterator[str]:
        """Names of the folders right below ``prefix``, which ends with a slash, in their order."""
        ...


def is_key(text: str) -> bool:
    """Whether ``text`` is a safe relative key."""
    return len(text) <= _KEY_BYTES and _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """Return ``key`` if it is a safe relative key, so that no key can leave the store.

    :raises StoreError: for an empty key, an absolute one, one with ``..``, one that is too long, or with a
        character outside letters, digits and ``._=+@-``.
    """
    if not is_key(key):
        raise StoreError(
            "key is not allowed in a store",
            given=repr(key[:200]),
            expected="slash-separated names of letters, digits and ._=+@-, each starting with a letter or "
            f"digit, at most 255 characters a name and {_KEY_BYTES} in all",
        )
    return key


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if it is empty or the start of a safe key. :raises StoreError: otherwise."""
    if prefix:
        check_key(prefix[:-1] if prefix.endswith("/") else prefix)
    return prefix
