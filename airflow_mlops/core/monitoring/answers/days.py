"""Which files each day of the table has: as the log's newest entry says, and with what a take-in adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.records import Day, LabelsPart, RowsPart
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep, recall

P = TypeVar("P", RowsPart, LabelsPart)
#: A day with more files than this of fewer rows than that has them merged.
MOST_SMALL, SMALL = 8, 65_536


def day_of(at: datetime) -> str:
    """The day (UTC) of a time, ``yyyy-mm-dd``."""
    return at.astimezone(timezone.utc).date().isoformat()


def days_between(days: Mapping[str, str], since: datetime, until: datetime) -> Iterator[str]:
    """The days of a table that have a part in [since, until), in their order."""
    if since < until:
        first, last = day_of(since), day_of(until - timedelta(microseconds=1))
        yield from (day for day in sorted(days) if first <= day <= last)


def near(day: str, other: str, most: int) -> bool:
    """Whether two days are at most so many apart."""
    return abs((date.fromisoformat(day) - date.fromisoformat(other)).days) <= most


class Days:
    """The days of one table.

    :param refs: hash of the :class:`Day` of each.
    """

    def __init__(self, store: Store, files: Files, refs: Mapping[str, str]) -> None:
        self._store = store
        self._files = files
        self._refs = dict(refs)
        self._read: dict[str, Day] = {}
        self._changed: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._refs.keys() | self._read.keys()))

    def of(self, day: str) -> Day:
        """The files of a day."""
        found = self._read.get(day)
        if found is None:
            ref = self._refs.get(day)
            found = self._read[day] = recall(self._store, ref, Day) if ref else Day()
        return found

    def add(self, day: str, *, rows: Sequence[RowsPart] = (), labels: Sequence[LabelsPart] = ()) -> None:
        """Add files to a day."""
        old = self.of(day)
        self._set(day, Day(rows=(*old.rows, *rows), labels=(*old.labels, *labels)))

    def index(self, parts: Sequence[RowsPart] | Sequence[LabelsPart]) -> npt.NDArray[np.uint64]:
        """The hashes of the ids in some files, one row for each kind of hash."""
        found = [self._files.read_index(part.index) for part in parts]
        return np.concatenate(found, axis=1) if found else np.empty((3, 0), dtype=np.uint64)

    def compact(
        self,
        day: str,
        rows: Callable[[str, tuple[RowsPart, ...]], tuple[RowsPart, ...]],
        labels: Callable[[str, tuple[LabelsPart, ...]], tuple[LabelsPart, ...]],
    ) -> None:
        """Where a day has many small files, put what ``rows`` and ``labels`` make of them in their place."""
        old = self.of(day)
        new = Day(rows=_merged(day, old.rows, rows), labels=_merged(day, old.labels, labels))
        if new != old:
            self._set(day, new)

    def replace(self, day: str, files: Day) -> None:
        """Give a day other files."""
        if files != self.of(day):
            self._set(day, files)

    @property
    def changed(self) -> tuple[str, ...]:
        """The days to which something was added, in their order."""
        return tuple(sorted(self._changed))

    def kept(self) -> dict[str, str]:
        """Store what has changed; the hash of each day."""
        for day in self.changed:
            self._refs[day] = keep(self._store, self._read[day])
        return dict(sorted(self._refs.items()))

    def _set(self, day: str, value: Day) -> None:
        self._read[day] = value
        self._changed.add(day)


def _merged(
    day: str, parts: tuple[P, ...], merge: Callable[[str, tuple[P, ...]], tuple[P, ...]]
) -> tuple[P, ...]:
    small = tuple(part for part in parts if part.rows < SMALL)
    if len(small) <= MOST_SMALL:
        return parts
    return tuple(part for part in parts if part.rows >= SMALL) + merge(day, small)
