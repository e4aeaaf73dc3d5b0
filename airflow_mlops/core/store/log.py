"""Append-only logs: the only mutable idea in the system.

A log is a prefix of numbered entries, each made with ``create``. The next number is won by one writer; the
other one learns that it lost. The current value of anything (champion, traffic) is the newest entry of a log.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from airflow_mlops.core.errors import IntegrityError, KeyExists, KeyMissing, LogConflict
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.chain import audited_create
from airflow_mlops.core.store.results import parse

E = TypeVar("E", bound=Record)
_DIGITS = 10
_ENTRY = re.compile(rf"([0-9]{{{_DIGITS}}})\.json")
_READERS = 8  # entries read at once: hides the way to S3
_FEW = 4  # so few are read one by one


class Log(Generic[E]):
    """Numbered records of one type under one prefix of a store; numbers start at 1 and have no gaps.

    :param store: where the entries are.
    :param prefix: key prefix without a trailing slash.
    :param record: the type of an entry.
    """

    def __init__(self, store: Store, prefix: str, record: type[E]) -> None:
        self._store = store
        self._prefix = prefix
        self._record = record
        self._known = 0  # a number that was seen to exist: where the next search for the newest starts

    def key(self, number: int) -> str:
        """The store key of entry ``number``."""
        return f"{self._prefix}/{number:0{_DIGITS}d}.json"

    def read(self, number: int) -> E:
        """Entry ``number``. :raises KeyMissing: if the log is shorter."""
        return self._parse(number, self._store.read(self.key(number)))

    def entries(self, after: int = 0) -> Iterator[tuple[int, E]]:
        """All entries with a number above ``after``, oldest first, up to the newest at the time of the call.

        :raises IntegrityError: if an entry was removed from the store.
        """
        # A listing only tells how far to read: a folder that grows while it is listed may show 8 and not 7.
        numbers = range(after + 1, self.last_number(after) + 1)
        for number, data in self._read_ahead(numbers):
            yield number, self._parse(number, data)

    def last_number(self, hint: int = 0) -> int:
        """The number of the newest entry, 0 for an empty log.

        :param hint: a number known to exist: following a log that has not grown costs one look-up, and one
            listing that starts there when it has.
        """
        if hint and not self._store.exists(self.key(hint + 1)):
            return hint
        number = hint + 1 if hint else 0
        for item in self._store.list(f"{self._prefix}/", start_after=self.key(number) if number else ""):
            entry = _ENTRY.fullmatch(item.key, len(self._prefix) + 1)
            if entry:
                number = int(entry[1])
        return number

    def newest(self) -> tuple[int, E] | None:
        """The newest entry with its number, or None for an empty log."""
        try:
            return self._newest()
        except KeyMissing:
            if not self._known:
                raise
            self._known = 0  # the store was emptied under us
            return self._newest()

    def append(self, entry: E, *, after: int) -> int:
        """Add ``entry`` right after number ``after`` (compare and append) and return its number.

        :raises LogConflict: if another writer has taken that number, or there is no entry ``after``.
        """
        number = after + 1
        if after and not self._store.exists(self.key(after)):
            raise self._conflict(after)
        try:
            audited_create(self._store, self.key(number), entry.to_bytes())
        except KeyExists:
            raise self._conflict(after) from None
        return number

    def append_once(self, entry: E, same: Callable[[E], bool]) -> tuple[int, E]:
        """Add ``entry`` unless one for which ``same`` holds is there already; return the one that stands.

        A retry after a crash finds the entry that its first try wrote, so nothing is doubled.
        """
        seen, found = self._find(same, 0)
        while found is None:
            try:
                return self.append(entry, after=seen), entry
            except LogConflict:
                seen, found = self._find(same, seen)
        return found

    def _find(self, same: Callable[[E], bool], after: int) -> tuple[int, tuple[int, E] | None]:
        number = after
        for number, entry in self.entries(after):
            if same(entry):
                return number, (number, entry)
        return number, None

    def _newest(self) -> tuple[int, E] | None:
        number = self.last_number(self._known)
        if not number:
            return None
        entry = self.read(number)
        self._known = number
        return number, entry

    def _parse(self, number: int, data: bytes) -> E:
        return parse(data, self._record, f"entry {number} of log {self._prefix} in {self._store.uri}")

    def _conflict(self, after: int) -> LogConflict:
        return LogConflict(
            f"log {self._prefix} has moved on",
            given=f"an append after entry {after}",
            expected="the newest entry",
            remedy="read the log again and decide anew",
        )

    def _read_ahead(self, numbers: range) -> Iterator[tuple[int, bytes]]:
        """The bytes of some entries in order, a few read at once."""
        if len(numbers) <= _FEW:
            yield from ((number, self._entry(number)) for number in numbers)
            return
        coming: deque[tuple[int, Future[bytes]]] = deque()
        with ThreadPoolExecutor(_READERS) as pool:
            for number in numbers:
                coming.append((number, pool.submit(self._entry, number)))
                if len(coming) > 2 * _READERS:
                    first, data = coming.popleft()
                    yield first, data.result()
            for first, data in coming:
                yield first, data.result()

    def _entry(self, number: int) -> bytes:
        try:
            return self._store.read(self.key(number))
        except KeyMissing:
            raise IntegrityError(
                f"log {self._prefix} in {self._store.uri} has lost an entry",
                given=f"no entry {number}, though there is a later one",
                expected="numbers without gaps",
                remedy="restore the object from a backup or an older S3 version",
            ) from None
