"""One log as this process knows it: where it ends, and the entries that somebody asked for, each read once."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Final, Generic, TypeVar

from airflow_mlops.core.card.reading import Reader, read_each, sizes
from airflow_mlops.core.errors import KeyMissing, StoreError
from airflow_mlops.core.overview.recent import SURE_FOR, Recent, far_away
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store

E = TypeVar("E", bound=Record)
_MOST_GAPS: Final = 3


class KnownLog(Generic[E]):
    """Where a log ends, its entries from there backwards, and all of them.

    Entries never change and numbers have no gaps, so a log that has not grown lacks the number behind the newest one.

    :param what: the log in words.
    :ivar number: of the newest entry that was seen; 0 before :meth:`look`, and in an empty log.
    """

    def __init__(self, prefix: str, record: type[E], what: str) -> None:
        self._prefix, self._record, self._what = prefix, record, what
        self._looked = False
        self._sizes: dict[int, int] = {}
        self._kept: dict[int, E] = {}
        self._told: tuple[tuple[int, E], ...] = ()
        self._broken: tuple[str, ...] = ()
        self._recent, self._sure = Recent(), Recent(SURE_FOR)
        self._lock = Lock()
        self.number = 0

    @property
    def size(self) -> int:
        """How many entries are kept in memory."""
        return len(self._kept)

    def look(self, store: Store) -> int:
        """Bring :attr:`number` up to date, by a single look-up where the log has not grown.

        :raises StoreError: if the store can't be reached.
        """
        log = self._log(store)
        with self._lock:
            if not self._looked:
                self.number = _end(store, log)
            elif store.exists(log.key(self.number + 1)):
                self.number = log.last_number(self.number + 1)
            self._looked = True
            return self.number

    def is_there(self, store: Store) -> bool:
        """Whether the newest entry that was seen is still in the store."""
        return not self.number or store.exists(self._log(store).key(self.number))

    def backwards(self, store: Store, broken: list[str]) -> Iterator[tuple[int, E]]:
        """The entries with their numbers, newest first; each is read when it is asked for.

        :param broken: takes a line for each that can't be read, up to a few; these are left out.
        """
        log = self._log(store)
        for number in range(self.number, 0, -1):
            try:
                entry = log.read(number)
            except KeyMissing:
                _note(broken, f"{self._what}: entry {number} is lost")
            except StoreError as error:
                _note(broken, f"{self._what}: {error}")
            else:
                yield number, entry

    def entries(self, reader: Reader, log: Log[E]) -> tuple[tuple[int, E], ...]:
        """All entries that can be read, oldest first; what can't be is a gap of the reader.

        What is new is read, and what has another size than it had or could not be read before. What is not listed
        any more is forgotten.

        :raises StoreError: if the store can't be reached.
        """
        with self._lock:
            if not self._recent.holds(reader.store):
                self._refresh(reader.store, log)
                self._recent.begin()
            reader.miss_entries(self._what, list(self._sizes), self._broken)
            return self._told

    def drop(self) -> None:
        """Forget the entries, not where the log ends."""
        with self._lock:
            self._sizes, self._kept, self._told, self._broken = {}, {}, (), ()
            self._recent, self._sure = Recent(), Recent(SURE_FOR)

    def _refresh(self, store: Store, log: Log[E]) -> None:
        there = self._listed(store, log)
        kept = {one: entry for one, entry in self._kept.items() if there.get(one) == self._sizes[one]}
        missing = [one for one in there if one not in kept]
        if missing or self._broken or len(kept) < len(self._kept):
            found, broken = read_each(log, missing)
            self._kept = kept | found
            self._told = tuple((one, self._kept[one]) for one in there if one in self._kept)
            self._broken = tuple(broken)
        self._sizes = there
        self.number, self._looked = max(there, default=0), True

    def _listed(self, store: Store, log: Log[E]) -> dict[int, int]:
        """Sizes of the entries that are there: of a store that is far away mostly those from the newest one on."""
        newest = max(self._sizes, default=0)
        if newest and far_away(store) and self._sure.holds(store):
            fresh = sizes(store, log, newest - 1)
            if newest in fresh:
                return self._sizes | fresh
        there = sizes(store, log)
        self._sure.begin()
        return there

    def _log(self, store: Store) -> Log[E]:
        # Made for each look: one process may open a store again with other credentials.
        return Log(store, self._prefix, self._record)


def _end(store: Store, log: Log[E]) -> int:
    """The number of the newest entry, also where some before it are lost.

    A folder is asked for single numbers first: to look behind the last of them is quicker than to list them all.
    """
    if far_away(store):
        return log.last_number()
    low, high = 0, 1
    while store.exists(log.key(high)):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if store.exists(log.key(middle)) else (low, middle)
    folder = log.key(0).rpartition("/")[0]
    behind = next(iter(store.list(f"{folder}/", start_after=log.key(low))), None)
    return low if behind is None else log.last_number()


def _note(broken: list[str], line: str) -> None:
    if len(broken) < _MOST_GAPS:
        broken.append(line)
