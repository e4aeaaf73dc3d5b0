"""Content that comes from far away: a few fetches at once, each byte stored once on this machine, under its hash."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import uuid4

from airflow_mlops.core.store.arrival import sweep
from airflow_mlops.core.store.blobs import hash_file
from airflow_mlops.core.store.cache import cache_dir

if TYPE_CHECKING:
    from airflow_mlops.core.data.source_s3 import S3Root

T = TypeVar("T")
R = TypeVar("R")

#: Objects are mostly small and far away: what takes time is waiting.
FETCHERS = 8
#: Results that may wait for their turn: memory and disk are bounded, however many items there are.
_AHEAD = 4 * FETCHERS


def in_order(work: Callable[[T], R], items: Iterable[T]) -> Generator[R, None, None]:
    """What ``work`` makes of each item, in the order of the items, with a few of them at work at once.

    :raises Exception: what ``work`` raises, when its item's turn comes.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(FETCHERS)
    try:
        for item in items:
            waiting.append(pool.submit(copy_context().run, work, item))
            if len(waiting) == _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def blob_cache() -> Path:
    """Where blobs are kept on this machine."""
    return cache_dir() / "blobs"


def take_in(fetch: Callable[[Path], None]) -> tuple[Path, str]:
    """Put content into the cache, under its hash.

    :param fetch: writes it to the path that it is given.
    :return: where it lies, and its SHA-256.
    """
    arriving = blob_cache() / "arriving" / uuid4().hex
    try:
        fetch(arriving)
        sha256 = hash_file(arriving)
        there = _place(sha256)
        there.parent.mkdir(parents=True, exist_ok=True)
        os.replace(arriving, there)
    finally:
        arriving.unlink(missing_ok=True)
    return there, sha256


def fetch_object(root: S3Root, path: str, version_id: str) -> tuple[Path, str]:
    """The content of an object's version, and its SHA-256; fetched once to this machine.

    A version of an object never changes, so a note of its hash is kept: a retry, and the next dataset version with
    the same object, find the content in the cache. It is hashed whenever it is handed out.

    :raises DataMissing: if there is no such object, or no such version of it.
    :raises DataError: if it can't be read.
    """
    named = hashlib.sha256("\0".join((root.uri, path, version_id)).encode()).hexdigest()
    note = cache_dir() / "objects" / named[:2] / named
    sha256 = note.read_text() if note.is_file() else ""
    if sha256 and (known := cached(sha256)):
        return known, sha256
    there, sha256 = take_in(lambda to: root.fetch(path, to, version_id))
    _write(note, sha256)
    return there, sha256


def cached(sha256: str) -> Path | None:
    """The content with this hash, if it is on this machine and undamaged."""
    there = _place(sha256)
    return there if there.is_file() and hash_file(there) == sha256 else None


def sweep_arriving() -> None:
    """Remove what killed fetchers left behind."""
    sweep(blob_cache() / "arriving", "*")


def _place(sha256: str) -> Path:
    return blob_cache() / sha256[:2] / sha256


def _write(note: Path, sha256: str) -> None:
    from airflow_mlops.core.data.landing import landing

    with landing(note) as aside:
        aside.write_text(sha256)
