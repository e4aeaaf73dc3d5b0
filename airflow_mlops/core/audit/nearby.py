"""What the audit log says of one record, without reading the whole chain: a quick look for a page.

Entries stand in the order in which they were written, so that those around a time are found by halving. What was
adopted later, or written by a machine whose clock is off by more than a minute, is not found so: a full look tells.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Literal

from airflow_mlops.core.audit.history import Told
from airflow_mlops.core.errors import KeyMissing, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.audited import chain_of
from airflow_mlops.core.store.chain import ChainEntry, entry_key, head_of
from airflow_mlops.core.store.results import parse

#: Entries further from the time of the record than this are not looked at, and no more than so many.
_AROUND = timedelta(minutes=1)
_MOST = 200


class Noted(Record):
    """What was found of one record.

    :param state: ``as written``: its bytes are those of its entry; ``edited``: they are not; ``gone``: it has an entry
        and is not there; ``no entry``: none stands near its time; ``unreadable``: the chain can't be read there.
    :param number, who, at: of its entry in the chain, None without one.
    """

    key: str
    state: Literal["as written", "edited", "gone", "no entry", "unreadable"]
    number: int | None = None
    who: str | None = None
    at: datetime | None = None


def noted(store: Store, key: str, near: datetime) -> Noted:
    """What the audit log says of the record under ``key``.

    :param near: when it was made, with a time zone.
    """
    chain = chain_of(key)
    if chain is None:
        return Noted(key=key, state="no entry")
    try:
        return _found(store, chain, key, near)
    except StoreError:
        return Noted(key=key, state="unreadable")


def _found(store: Store, chain: str, key: str, near: datetime) -> Noted:
    last = head_of(store, chain).number
    first = _first_from(store, chain, last, near - _AROUND)
    told, mention = Told(), None
    for number in range(first, min(last, first + _MOST) + 1):
        entry = _entry(store, chain, number)
        if entry.at > near + _AROUND or told.written:
            break
        if entry.key == key and entry.event != "read":
            told.take(entry)
            mention = number, entry
    if mention is None:
        return Noted(key=key, state="no entry")
    number, entry = mention
    try:
        sha256 = hashlib.sha256(store.read(key)).hexdigest()
        state: Literal["as written", "edited", "gone"] = "as written" if told.allows(sha256) else "edited"
    except KeyMissing:
        state = "gone"
    return Noted(key=key, state=state, number=number, who=entry.who, at=entry.at)


def _first_from(store: Store, chain: str, last: int, at: datetime) -> int:
    """Number of the first entry of this time or later, one more than ``last`` without any."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        if _entry(store, chain, middle).at < at:
            low = middle + 1
        else:
            high = middle
    return low


def _entry(store: Store, chain: str, number: int) -> ChainEntry:
    key = entry_key(chain, number)
    return parse(store.read(key), ChainEntry, key)
