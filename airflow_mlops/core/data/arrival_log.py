"""Which files were announced: a log in the store that outlives every process and lets two of them agree.

Before a batch is announced it is *claimed*, for a while, by one entry; once Airflow has stored the event, a second
entry says that it is *announced*. Who dies between the two leaves a claim that runs out, and the batch is announced
again: at least once, and twice only then.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from typing import Literal

from airflow_mlops.core.data.arrival import Batch
from airflow_mlops.core.errors import LogConflict
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.log import Log

#: How long a batch is left to the one that has claimed it. Airflow stores an event within seconds.
LEASE = timedelta(minutes=2)
#: Entries with these numbers hold all marks, so that no reader goes farther back.
_WHOLE_EVERY = 100
#: A reader that begins there looks so far back for claims that still hold.
_BACK = 20
_MARK_BYTES = 8


class ArrivalEntry(Record):
    """One entry of the log.

    :param batch: its id.
    :param by: the process that wrote it.
    :param until: when a claim runs out.
    :param files, size: of the batch; size in bytes.
    :param marks: of its files: 8 bytes each, in base64.
    :param whole: all marks that were announced before, in entries that are multiples of a hundred.
    """

    kind: Literal["began", "claimed", "announced"]
    batch: str = ""
    by: str
    at: datetime
    until: datetime | None = None
    files: int = 0
    size: int = 0
    marks: str = ""
    whole: str | None = None


class ArrivalLog:
    """What was announced of one data set.

    :param name: whose log it is: two watchers of different names each hear of every batch.
    :param by: names this process, in claims.
    """

    def __init__(self, store: Store, name: str, by: str) -> None:
        self._log = Log(store, arrivals_prefix(name), ArrivalEntry)
        self._by = by
        self._number = 0
        self._claims: dict[str, ArrivalEntry] = {}
        #: Marks that were announced.
        self.known: set[int] = set()

    def refresh(self) -> None:
        """Read what others have written since."""
        last = self._log.last_number(self._number)
        if last == self._number:
            return
        newest_whole = last - last % _WHOLE_EVERY
        if newest_whole > self._number:
            entry = self._log.read(newest_whole)
            self.known |= unpack(entry.whole or "")
            start = max(self._number, newest_whole - _BACK)
        else:
            start = self._number
        for number, entry in self._log.entries(start):
            self._take(number, entry)

    @property
    def began(self) -> bool:
        """Whether there is an entry."""
        return self._number > 0

    def begin(self, marks: Collection[int], now: datetime) -> None:
        """Write the first entry: what need not be announced. Another one's first entry stands."""
        if not self.began:
            entry = ArrivalEntry(kind="began", by=self._by, at=now, files=len(marks), marks=pack(marks))
            self._append(entry, lambda: not self.began)

    def claimed(self, now: datetime) -> set[int]:
        """Marks that somebody announces just now."""
        return {
            mark
            for claim in self._claims.values()
            if claim.until is not None and claim.until > now
            for mark in unpack(claim.marks)
        }

    def claim(self, batch: Batch, now: datetime) -> bool:
        """Whether it is ours to announce."""
        entry = _entry("claimed", batch, self._by, now)
        return self._append(entry, lambda: not batch.marks & (self.known | self.claimed(now)))

    def announce(self, batch: Batch, now: datetime) -> None:
        """Say that Airflow has stored its event."""
        entry = _entry("announced", batch, self._by, now)
        self._append(entry, lambda: not batch.marks <= self.known)

    def _append(self, entry: ArrivalEntry, still: Callable[[], bool]) -> bool:
        """Append, unless what others have written meanwhile speaks against it."""
        while still():
            number = self._number + 1
            if number % _WHOLE_EVERY == 0:
                entry = entry.model_copy(update={"whole": pack(self.known)})
            try:
                self._log.append(entry, after=self._number)
            except LogConflict:
                self.refresh()
                continue
            self._take(number, entry)
            return True
        return False

    def _take(self, number: int, entry: ArrivalEntry) -> None:
        self._number = number
        if entry.kind == "claimed":
            self._claims[entry.batch] = entry
        else:
            self._claims.pop(entry.batch, None)
            self.known |= unpack(entry.marks)


def arrivals_prefix(name: str) -> str:
    """Where the log of a data set is in the store."""
    return f"arrivals/{name}"


def pack(marks: Iterable[int]) -> str:
    """Marks as text."""
    return base64.b64encode(b"".join(mark.to_bytes(_MARK_BYTES, "big") for mark in sorted(marks))).decode()


def unpack(text: str) -> set[int]:
    """Marks of a text."""
    data = base64.b64decode(text)
    return {
        int.from_bytes(data[start : start + _MARK_BYTES], "big") for start in range(0, len(data), _MARK_BYTES)
    }


def _entry(kind: Literal["claimed", "announced"], batch: Batch, by: str, now: datetime) -> ArrivalEntry:
    return ArrivalEntry(
        kind=kind,
        batch=batch.id,
        by=by,
        at=now,
        until=now + LEASE if kind == "claimed" else None,
        files=len(batch.files),
        size=batch.size,
        marks=pack(batch.marks),
    )
