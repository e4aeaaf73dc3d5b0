"""Reading records that may be old, gone or broken: what can't be read is said, and the rest is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from typing import TypeVar

from airflow_mlops.core.errors import KeyMissing, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import parse, recall

R = TypeVar("R", bound=Record)
T = TypeVar("T")
_MOST_GAPS = 5
_MOST_TEXT = 1 << 20


class Gap(Record):
    """Something that should be there and could not be read.

    :param what: what it is, for people.
    :param why: one line.
    """

    what: str
    why: str


def when(at: datetime) -> datetime:
    """A time in UTC; one without a zone is taken as UTC."""
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)


class Reader:
    """Reads records up to a moment; remembers what could not be read, and the newest time that was seen.

    :param as_of: records of a later time do not count; None for all.
    """

    def __init__(self, store: Store, as_of: datetime | None) -> None:
        self.store = store
        self.as_of = when(as_of) if as_of else None
        self.gaps: list[Gap] = []

    def log(self, log: Log[R], what: str, at: Callable[[R], datetime]) -> tuple[tuple[int, R], ...]:
        """The entries of a log with their numbers, those that can be read."""
        try:
            found = list(log.entries())
        except StoreError:
            found = list(self._one_by_one(log, what))
        return tuple((number, entry) for number, entry in found if self.known(at(entry)))

    def known(self, at: datetime) -> bool:
        """Whether something of this time was known at the moment that is asked about."""
        return self.as_of is None or when(at) <= self.as_of

    def blob(self, ref: str | None, cls: type[R], what: str) -> R | None:
        """The record that is kept under a hash; None where none is named or it can't be read."""
        return self._tried(lambda: recall(self.store, ref, cls), what) if ref else None

    def kept(self, key: str, cls: type[R], what: str) -> R | None:
        """The record under a key; None where it can't be read."""
        return self._tried(lambda: parse(self.store.read(key), cls, key), what)

    def below(self, prefix: str, cls: type[R], what: str) -> tuple[R, ...]:
        """All records below a prefix, in the order of their keys."""
        found = (self.kept(item.key, cls, what) for item in self.store.list(prefix))
        return tuple(one for one in found if one is not None)

    def text(self, ref: str | None, what: str) -> str | None:
        """A text that is kept under a hash, at most a megabyte of it."""
        if not ref:
            return None
        data = self._tried(lambda: get_bytes(self.store, ref), what)
        return None if data is None else data[:_MOST_TEXT].decode(errors="replace")

    def miss(self, what: str, why: str) -> None:
        """Note that something is not there."""
        self.gaps.append(Gap(what=what, why=why))

    def _tried(self, read: Callable[[], T], what: str) -> T | None:
        try:
            return read()
        except KeyMissing:
            self.miss(what, "not in the store any more")
        except StoreError as error:
            self.miss(what, str(error))
        return None

    def _one_by_one(self, log: Log[R], what: str) -> Iterator[tuple[int, R]]:
        """The entries of a log of which some are missing or broken."""
        numbers = _numbers(item.key for item in self.store.list(log.key(1).rpartition("/")[0] + "/"))
        broken: list[str] = []
        for number in numbers:
            try:
                yield number, log.read(number)
            except StoreError as error:
                broken.append(str(error))
        lost = (numbers[-1] if numbers else 0) - len(numbers)
        if lost:
            broken.append(f"{lost:,} entries before the newest one are missing")
        for why in broken[:_MOST_GAPS]:
            self.miss(what, why)
        if len(broken) > _MOST_GAPS:
            self.miss(what, f"{len(broken) - _MOST_GAPS:,} more entries can't be read")


def _numbers(keys: Iterable[str]) -> list[int]:
    names = (key.rpartition("/")[2].removesuffix(".json") for key in keys)
    return sorted(int(name) for name in names if len(name) == 10 and name.isdecimal() and name.isascii())
