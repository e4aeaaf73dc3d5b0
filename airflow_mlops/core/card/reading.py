"""Reading records that may be old, gone or broken: what can't be read is said, and the rest is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime
from typing import TypeVar

from airflow_mlops.core.errors import KeyMissing, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.store.results import parse, recall
from airflow_mlops.core.times import in_utc

R = TypeVar("R", bound=Record)
T = TypeVar("T")
_MOST_GAPS = 5
#: Entries that are read at once, which hides the way to S3; so few are read one by one.
_READERS, _FEW = 8, 4
_MOST_TEXT = 1 << 20


class Gap(Record):
    """Something that should be there and could not be read.

    :param what: what it is, for people.
    :param why: one line.
    """

    what: str
    why: str


class Reader:
    """Reads records up to a moment; remembers what could not be read, and the newest time that was seen.

    :param as_of: records of a later time do not count; None for all.
    """

    def __init__(self, store: Store, as_of: datetime | None) -> None:
        self.store = store
        self.as_of = in_utc(as_of) if as_of else None
        self.gaps: list[Gap] = []

    def log(self, log: Log[R], what: str, at: Callable[[R], datetime]) -> tuple[tuple[int, R], ...]:
        """The entries of a log with their numbers, those that can be read."""
        return tuple((number, entry) for number, entry in self.entries(log, what) if self.known(at(entry)))

    def entries(self, log: Log[R], what: str) -> tuple[tuple[int, R], ...]:
        """All entries of a log with their numbers, those that can be read, whatever their time."""
        numbers = sorted(sizes(self.store, log))
        found, broken = read_each(log, numbers)
        self.miss_entries(what, numbers, broken)
        return tuple(found.items())

    def known(self, at: datetime) -> bool:
        """Whether something of this time was known at the moment that is asked about."""
        return self.as_of is None or in_utc(at) <= self.as_of

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

    def miss_entries(self, what: str, numbers: Sequence[int], broken: Sequence[str]) -> None:
        """Note what a log lacks.

        :param numbers: of the entries that are there, in their order.
        :param broken: a line for each of them that can't be read.
        """
        lost = (numbers[-1] if numbers else 0) - len(numbers)
        lines = [*broken, *([f"{lost:,} entries before the newest one are missing"] if lost else [])]
        for why in lines[:_MOST_GAPS]:
            self.miss(what, why)
        if len(lines) > _MOST_GAPS:
            self.miss(what, f"{len(lines) - _MOST_GAPS:,} more entries can't be read")


def sizes(store: Store, log: Log[R], after: int = 0) -> dict[int, int]:
    """Sizes in bytes of the entries with a number above ``after``, by number: a listing, nothing is read."""
    folder = log.key(0).rpartition("/")[0]
    listed = store.list(f"{folder}/", start_after=log.key(after) if after else "")
    named = ((item.key[len(folder) + 1 :].removesuffix(".json"), item.size) for item in listed)
    return {
        int(name): size for name, size in named if len(name) == 10 and name.isdecimal() and name.isascii()
    }


def read_each(log: Log[R], numbers: Sequence[int]) -> tuple[dict[int, R], list[str]]:
    """Some entries by number, in the order of ``numbers``, and a line for each that can't be read."""

    def one(number: int) -> R | StoreError:
        try:
            return log.read(number)
        except StoreError as error:
            return error

    found: dict[int, R] = {}
    broken: list[str] = []
    with ThreadPoolExecutor(_READERS) if len(numbers) > _FEW else nullcontext() as pool:
        for number, read in zip(numbers, pool.map(one, numbers) if pool else map(one, numbers), strict=True):
            if isinstance(read, StoreError):
                broken.append(str(read))
            else:
                found[number] = read
    return found, broken
