"""Logs of the store, as far as the index needs them: read once, then only what was added."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.lineage.graph.cached import load, save
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store

T = TypeVar("T")
_READERS = 16  # hides the way to S3
_FEW = 32  # so few are read one by one
_NEAR = 0.002  # seconds for an object: longer means over a network


@dataclass(frozen=True)
class Entries(Generic[T]):
    """The entries of a log.

    :param found: by number from 1 on; None for one that is lost or can't be read.
    :param unread: keys of those.
    """

    found: Sequence[T | None]
    unread: tuple[str, ...] = ()

    def numbered(self) -> Iterator[tuple[int, T]]:
        """The entries that can be read, with their numbers."""
        return ((number, one) for number, one in enumerate(self.found, start=1) if one is not None)

    def get(self, number: int) -> T | None:
        """Entry ``number``, None if there is none that can be read."""
        return self.found[number - 1] if 1 <= number <= len(self.found) else None


def read_log(store: Store, prefix: str, kind: type[T], folder: Path | None) -> Entries[T]:
    """All entries of a log.

    Entries never change, so what was read before is taken from the index: one look for a newer entry, and one reading
    of the newest known one, to see that it is still the same log. What could not be read is tried again each time.

    :param kind: a struct with those fields of an entry that are needed.
    :param folder: of the index; None to read everything from the store.
    """
    log = Log(store, prefix, Record)
    owner = f"{store.uri} {prefix} {kind.__name__}"
    path = folder / f"{hashlib.sha256(owner.encode()).hexdigest()[:32]}.log" if folder else None
    proof, known = _known(store, log, path, kind, owner)
    last = log.last_number(len(known))
    lacking = [number for number, one in enumerate(known, start=1) if one is None]
    wanted = [*lacking, *range(len(known) + 1, last + 1)]
    if not wanted:
        return Entries(known)
    entries: list[T | None] = [*known, *([None] * (last - len(known)))]
    decoder = msgspec.json.Decoder(kind)
    for number, data in zip(wanted, read_all(store, [log.key(one) for one in wanted]), strict=True):
        entries[number - 1] = _decoded(decoder, data)
        if number == last:
            proof = _digest(data)
    unread = tuple(log.key(number) for number, one in enumerate(entries, start=1) if one is None)
    if path and (last > len(known) or len(unread) < len(lacking)):
        save(path, (proof, entries), owner)
    return Entries(entries, unread)


def read_all(store: Store, keys: Sequence[str]) -> Iterator[bytes | None]:
    """What lies under some keys, in their order; None where there is nothing.

    The first ones are read one by one. If those took long, the way is long, and the others are read side by side; on a
    folder that would cost more than it saves.
    """
    start = time.perf_counter()
    yield from (_read(store, key) for key in keys[:_FEW])
    if time.perf_counter() - start < _FEW * _NEAR:
        yield from (_read(store, key) for key in keys[_FEW:])
        return
    with ThreadPoolExecutor(_READERS) as pool:
        for first in range(_FEW, len(keys), _FEW * _READERS):
            yield from pool.map(lambda key: _read(store, key), keys[first : first + _FEW * _READERS])


def _known(
    store: Store, log: Log[Record], path: Path | None, kind: type[T], owner: str
) -> tuple[bytes, list[T | None]]:
    """What the index has of a log; nothing if its newest entry is another one by now: the store was made anew."""
    held: tuple[bytes, list[T | None]] | None = None
    if path:
        held = load(path, tuple[bytes, list[kind | None]], owner)  # type: ignore[valid-type]
    if held is None or not held[1] or _digest(_read(store, log.key(len(held[1])))) != held[0]:
        return b"", []
    return held


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except KeyMissing:
        return None


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes | None) -> T | None:
    try:
        return None if data is None else decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _digest(data: bytes | None) -> bytes:
    return hashlib.sha256(data or b"").digest()
