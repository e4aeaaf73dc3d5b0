"""Content-addressed bytes: stored once under their SHA-256, checked whenever they are read."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

from airflow_mlops.core.errors import IntegrityError, KeyExists, StoreError
from airflow_mlops.core.store.arrival import chunks_of, sweep
from airflow_mlops.core.store.base import Store

_SHA256 = re.compile(r"[0-9a-f]{64}")


def blob_key(sha256: str) -> str:
    """The store key of the content with this hash.

    :raises StoreError: if it is not 64 lower-case hex digits.
    """
    if not _SHA256.fullmatch(sha256):
        raise StoreError(
            "not the hash of a blob", given=repr(sha256[:80]), expected="64 lower-case hex digits"
        )
    return f"blobs/{sha256[:2]}/{sha256}"


def hash_file(path: Path) -> str:
    """SHA-256 of a file as 64 hex digits, in constant memory. :raises StoreError: if it can't be read."""
    digest = hashlib.sha256()
    for chunk in chunks_of(path):
        digest.update(chunk)
    return digest.hexdigest()


def put_bytes(store: Store, data: bytes) -> str:
    """Store ``data`` unless it is there; return its SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    with suppress(KeyExists):
        store.create(blob_key(sha256), data)
    return sha256


def put_file(store: Store, path: Path) -> str:
    """Store the content of ``path`` unless it is there; return its SHA-256."""
    sha256 = hash_file(path)
    if not store.exists(blob_key(sha256)):
        with suppress(KeyExists):
            store.upload(path, blob_key(sha256), sha256)
    return sha256


def get_bytes(store: Store, sha256: str) -> bytes:
    """The bytes with this hash.

    :raises KeyMissing: if they are not stored.
    :raises IntegrityError: if what is stored hashes to something else.
    """
    data = store.read(blob_key(sha256))
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise IntegrityError(
            f"blob {sha256[:12]} in {store.uri} was changed",
            given=f"bytes with hash {found[:12]}",
            expected=sha256[:12],
            remedy="restore the object from a backup or an older S3 version",
        )
    return data


def fetch_file(store: Store, sha256: str, cache: Path) -> Path:
    """The content as a local file in ``cache``, downloaded once; safe when several processes share the cache.

    A cached file is hashed before it is handed out, and downloaded again if it was changed.

    :raises KeyMissing: if the content is not stored.
    :raises IntegrityError: if what is stored hashes to something else.
    """
    return fetched(store, blob_key(sha256), sha256, cache)


def fetched(store: Store, key: str, sha256: str, cache: Path) -> Path:
    """As :func:`fetch_file`, for content that lies under another key."""
    path = cache / sha256[:2] / sha256
    if not path.is_file() or hash_file(path) != sha256:
        sweep(path.parent, ".*.part")
        store.download(key, path, sha256)
    return path
