"""Tar archives whose bytes follow from their content, stored once under a key that follows from it, too."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, hash_file

_MODE = 0o644


@dataclass(frozen=True)
class Member:
    """One file of an archive: its bytes, or the hash of a blob in the store that holds them."""

    path: str
    data: bytes = b""
    blob: str | None = None

    @property
    def sha256(self) -> str:
        """Hash of its content, known without reading a blob."""
        return self.blob or hashlib.sha256(self.data).hexdigest()


def put_archive(store: Store, folder: str, name: str, members: Sequence[Member]) -> str:
    """Store the archive of ``members`` unless it is there; return its key.

    The key is ``<folder>/<hash>/<name>``, where the hash is over the paths and contents of the members: whether it is
    there can be said without reading a blob. It is written to a temporary file first, and blobs are streamed.

    :raises KeyMissing: if a blob is not stored.
    :raises IntegrityError: if a blob was changed.
    """
    key = f"{folder}/{digest_of(members)}/{name}"
    if not store.exists(key):
        with tempfile.TemporaryDirectory(prefix="mlops-archive-") as scratch:
            path = Path(scratch) / name
            write_archive(path, members, store)
            with suppress(KeyExists):
                store.upload(path, key, hash_file(path))
    return key


def digest_of(members: Sequence[Member]) -> str:
    """A hash of the paths and contents of the members, whatever their order: 32 hex digits."""
    digest = hashlib.sha256()
    for member in sorted(members, key=lambda one: one.path):
        digest.update(f"{member.path}\0{member.sha256}\n".encode())
    return digest.hexdigest()[:32]


def write_archive(path: Path, members: Sequence[Member], store: Store) -> None:
    """Write a ``tar.gz``; the same members give the same bytes: no times, no owners, sorted by path."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0, compresslevel=6) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for member in sorted(members, key=lambda one: one.path):
            if member.blob is None:
                _add(tar, member.path, io.BytesIO(member.data), len(member.data))
                continue
            local = path.with_name("blob")
            store.download(blob_key(member.blob), local, member.blob)
            with local.open("rb") as stream:
                _add(tar, member.path, stream, local.stat().st_size)
            local.unlink()


def _add(tar: tarfile.TarFile, path: str, stream: IO[bytes], size: int) -> None:
    about = tarfile.TarInfo(path)
    about.size, about.mode = size, _MODE
    tar.addfile(about, stream)
