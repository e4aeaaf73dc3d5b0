"""The audit log: a chain of hashes over every record that matters, one chain per model and one for the store.

Each entry holds the hash of the entry before it, so none can be changed, left out or moved without a trace. A record is
announced before it is written: whatever our code has written stands in the chain, also when a writer was killed.
Appending needs the newest entry only, so damage further back never hinders a decision.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Final, Literal
from weakref import WeakKeyDictionary

from airflow_mlops.core.errors import KeyExists, StoreError
from airflow_mlops.core.record import Record, utc_now
from airflow_mlops.core.store.actor import Actor, actor
from airflow_mlops.core.store.audited import AUDIT, chain_of
from airflow_mlops.core.store.base import Folders, Store

Event = Literal["announced", "written", "removing", "read", "adopted"]

#: What the first entry follows.
NOTHING: Final = "0" * 64
#: Entries in a folder: whoever comes anew finds the newest one with two short listings, however long the chain is.
_FOLDER = 1000
_ENTRY = re.compile(r"[0-9]{7}/([0-9]{10})\.json")
_SHARD = re.compile(r"[0-9]{7}")
_TRIES = 8  # without seeing the entry that is said to be there


class ChainEntry(Record):
    """One entry of ``audit/...``.

    :param event: ``announced``: ``key`` is about to be written with these bytes; ``written``: it was; ``removing``: it
        is about to be removed; ``read``: restricted data were read; ``adopted``: it was found without an entry of its
        own, and somebody vouches for it.
    :param key: of the record in the store; for ``read`` that of the dataset version.
    :param sha256: hash of the record's bytes, None where there are none.
    :param who: person or task that did it; ``run`` is the key of the Airflow run.
    :param previous: hash of the bytes of the entry before; of nothing (64 zeros) for the first.
    """

    event: Event
    key: str
    sha256: str | None
    who: str
    run: str | None = None
    why: str = ""
    previous: str
    at: datetime


@dataclass(frozen=True)
class Head:
    """The newest entry of a chain: its number, 0 while there is none, and the hash of its bytes."""

    number: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.number}:{self.sha256}"


@dataclass
class _Memory:
    """What this process knows of the chains of one store."""

    heads: dict[str, Head] = field(default_factory=dict)
    read: set[tuple[Actor, str]] = field(default_factory=set)


_EMPTY = Head(0, NOTHING)
_memories: WeakKeyDictionary[Store, _Memory] = WeakKeyDictionary()
_guard = Lock()


def audited_create(store: Store, key: str, data: bytes) -> None:
    """Create a record, announced in its chain before; what is not audited is only created.

    That it was written is noted last. Where that fails the record stands all the same: it was announced.

    :raises KeyExists: if the key is taken.
    :raises StoreError: if the record can't be announced (then it is not written) or not be written.
    """
    chain = chain_of(key)
    if chain is None:
        store.create(key, data)
        return
    if store.exists(key):
        raise KeyExists(f"{key} exists in {store.uri}")
    sha256 = hashlib.sha256(data).hexdigest()
    append(store, chain, "announced", key, sha256)
    store.create(key, data)
    with suppress(StoreError):
        append(store, chain, "written", key, sha256)


def note_removal(store: Store, key: str, why: str) -> None:
    """Note that a record is about to be removed; nothing for one that is not audited.

    :raises StoreError: if that can't be noted: then it must stay.
    """
    chain = chain_of(key)
    if chain is not None:
        append(store, chain, "removing", key, None, why)


def note_read(store: Store, key: str) -> None:
    """Note that the rows of a restricted dataset version are about to be read: once for each reader in this process.

    :param key: of the version's manifest.
    :raises StoreError: if that can't be noted: then they must not be read.
    """
    memory, reader = _memory(store), (actor(), key)
    chain = chain_of(key)
    if chain is not None and reader not in memory.read:
        append(store, chain, "read", key, None)
        memory.read.add(reader)


def append(store: Store, chain: str, event: Event, key: str, sha256: str | None, why: str = "") -> Head:
    """Add an entry to a chain, in the name of :func:`~airflow_mlops.core.store.actor.actor`; return the new head.

    :raises StoreError: if it can't be written.
    """
    heads, by = _memory(store).heads, actor()
    head = heads.get(chain) or head_of(store, chain)
    unseen = 0
    while unseen < _TRIES:
        entry = ChainEntry(
            event=event,
            key=key,
            sha256=sha256,
            who=by.who,
            run=by.run,
            why=why,
            previous=head.sha256,
            at=utc_now(),
        )
        data = entry.to_bytes()
        try:
            store.create(entry_key(chain, head.number + 1), data)
        except KeyExists:
            newest = head_of(store, chain, head)
            unseen = unseen + 1 if newest == head else 0
            time.sleep(random.uniform(0, 0.002 * 2**unseen))  # noqa: S311 - spreads load, guards nothing
            head = newest
            continue
        head = heads[chain] = Head(head.number + 1, hashlib.sha256(data).hexdigest())
        return head
    raise StoreError(
        f"audit log {chain} in {store.uri} can't be continued",
        given=f"entry {head.number + 1} that is taken, and can't be seen",
        remedy="look at the object and at who may list the store",
    )


def head_of(store: Store, chain: str, known: Head = _EMPTY) -> Head:
    """The newest entry of a chain.

    :param known: an entry that was seen before.
    :raises StoreError: if it can't be read.
    """
    number = max(_numbers(store, chain, known.number), default=known.number)
    if number == known.number:
        return known
    return Head(number, hashlib.sha256(store.read(entry_key(chain, number))).hexdigest())


def entry_key(chain: str, number: int) -> str:
    """The store key of an entry; numbers start at 1."""
    return f"{chain}/{(number - 1) // _FOLDER:07d}/{number:010d}.json"


def number_of(chain: str, key: str) -> int | None:
    """The number of the entry that lies under ``key``, None if that is no place of an entry."""
    found = _ENTRY.fullmatch(key, len(chain) + 1)
    number = int(found[1]) if found else 0
    return number if number and entry_key(chain, number) == key else None


def _numbers(store: Store, chain: str, after: int) -> list[int]:
    """Numbers of entries above ``after``; without it those of the newest folder are enough."""
    whole = f"{chain}/"
    if after or not isinstance(store, Folders):
        return _listed(store, chain, whole, entry_key(chain, after) if after else "")
    shards = [name for name in store.folders(whole) if _SHARD.fullmatch(name)]
    # A folder on disk is empty if its writer died right after it was made.
    listed = (_listed(store, chain, f"{whole}{shard}/") for shard in reversed(shards))
    return next(filter(None, listed), [])


def _listed(store: Store, chain: str, prefix: str, start_after: str = "") -> list[int]:
    numbers = (number_of(chain, item.key) for item in store.list(prefix, start_after))
    return [number for number in numbers if number is not None]


def _memory(store: Store) -> _Memory:
    with _guard:
        return _memories.setdefault(store, _Memory())


__all__ = [
    "AUDIT",
    "NOTHING",
    "ChainEntry",
    "Event",
    "Head",
    "append",
    "audited_create",
    "chain_of",
    "entry_key",
    "head_of",
    "note_read",
    "note_removal",
    "number_of",
]
