"""Local files that appear whole or not at all, with the bytes that were promised."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airflow_mlops.core.errors import IntegrityError, StoreError

CHUNK = 1 << 20
_ABANDONED_AFTER = 24 * 3600.0  # seconds without a write: its writer is dead, not slow


class HashingWriter:
    """Writes to a file and hashes what it writes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Append ``data``."""
        self._digest.update(data)
        self._stream.write(data)

    def check(self, sha256: str, what: str) -> None:
        """:raises IntegrityError: if the bytes written so far do not hash to ``sha256``."""
        check_hash(self._digest.hexdigest(), sha256, what)


def chunks_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces of 1 MiB. :raises StoreError: if it can't be read."""
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise StoreError(
            f"file {path} can't be read", given=error.strerror, expected="a readable file"
        ) from None


def open_new(path: Path) -> BinaryIO:
    """Open a file that must not be there yet, with the umask's permissions (``tempfile`` is private)."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb")


def check_hash(found: str, expected: str, what: str) -> None:
    """:raises IntegrityError: if the two hashes differ; ``what`` names the bytes."""
    if found != expected:
        raise IntegrityError(
            f"{what} was changed",
            given=f"bytes with hash {found[:12]}",
            expected=expected[:12],
            remedy="write it again from its source, or restore it from a backup",
        )


@contextmanager
def arriving(path: Path, sha256: str, what: str) -> Iterator[HashingWriter]:
    """Write ``path`` in one go: it appears when the block ends and its bytes hash to ``sha256``.

    :raises IntegrityError: if they hash to something else; ``path`` is left as it was.
    :raises StoreError: if the file can't be written.
    """
    part = path.parent / f".{uuid.uuid4().hex}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_new(part) as stream:
            writer = HashingWriter(stream)
            yield writer
            writer.check(sha256, what)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, path)
    except OSError as error:
        raise StoreError(f"file {path} can't be written", given=error.strerror) from None
    finally:
        part.unlink(missing_ok=True)


def sweep(folder: Path, pattern: str) -> None:
    """Remove what killed writers left in ``folder``: matching files that nobody wrote to for a day."""
    dead = time.time() - _ABANDONED_AFTER
    for path in folder.glob(pattern):
        try:
            if path.stat().st_mtime < dead:
                path.unlink()
        except OSError:
            continue  # another sweeper was faster, or the file is not ours to remove
