"""Prove that a store keeps its promise before it is trusted: of many writers of one key exactly one wins.

The proof is a race, made anew each time: it costs about as much as fifty small writes, and a note that it
held yesterday would not notice that somebody turned versioning on.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier

from airflow_mlops.core.errors import KeyExists, StoreError, UnsafeStore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.scratch import SCRATCH, Scratch

_WRITERS = 16
_ROUNDS = 3


def probe(store: Store) -> None:
    """Race 16 writers for a few scratch keys below ``probe/``; the keys are removed where the store lets us.

    :raises UnsafeStore: if other than one writer wins, a loser does not learn it, or the winner's bytes don't
        stand; the message says why and what to do.
    :raises StoreError: if the store can't be used at all.
    """
    run = uuid.uuid4().hex
    keys = [f"{SCRATCH}{run}/{number}" for number in range(_ROUNDS)]
    try:
        for key in keys:
            _race(store, key)
    finally:
        _clean(store, keys)


def _race(store: Store, key: str) -> None:
    start = Barrier(_WRITERS)

    def write(number: int) -> bool:
        start.wait()
        return _wins(store, key, number)

    with ThreadPoolExecutor(_WRITERS) as pool:
        won = [number for number, one in enumerate(pool.map(write, range(_WRITERS))) if one]
    if len(won) != 1:
        raise _unsafe(store, f"{len(won)} of {_WRITERS} writers that won one key")
    if _wins(store, key, _WRITERS):
        raise _unsafe(store, "a writer that won a key which was taken before")
    if store.read(key) != _bytes(won[0]):
        raise _unsafe(store, "a loser's bytes under the winner's key")


def _wins(store: Store, key: str, number: int) -> bool:
    try:
        store.create(key, _bytes(number))
    except KeyExists:
        return False
    return True


def _bytes(number: int) -> bytes:
    return f"writer {number}".encode()


def _unsafe(store: Store, given: str) -> UnsafeStore:
    return UnsafeStore(
        f"{store.uri} can't hold logs",
        given=given,
        expected="exactly one winner, and the others told so",
        remedy=store.why_unsafe() if isinstance(store, Scratch) else None,
    )


def _clean(store: Store, keys: Iterable[str]) -> None:
    """Remove the scratch keys; a store that forbids it keeps a few bytes."""
    if isinstance(store, Scratch):
        for key in keys:
            with suppress(StoreError):
                store.discard_scratch(key)
