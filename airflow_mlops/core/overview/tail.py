"""The newest end of a log: found once, then brought up to date by a single look-up."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from airflow_mlops.core.errors import KeyMissing, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store

E = TypeVar("E", bound=Record)
_MOST_GAPS = 3


class Tail(Generic[E]):
    """Where a log ends, and its entries from there backwards.

    Entries never change and numbers have no gaps, so a log that has not grown lacks the number behind the newest one.

    :param what: the log in words.
    """

    def __init__(self, prefix: str, record: type[E], what: str) -> None:
        self._prefix, self._record, self._what = prefix, record, what
        self._looked = False
        self.number = 0

    def grown(self, store: Store) -> bool:
        """Whether there is more than there was at the last call.

        :raises StoreError: if the store can't be reached.
        """
        log = self._log(store)
        if self._looked and not store.exists(log.key(self.number + 1)):
            return False
        self.number = log.last_number(self.number + 1) if self._looked else _end(store, log)
        self._looked = True
        return True

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

    def _log(self, store: Store) -> Log[E]:
        # Made for each look: one process may open a store again with other credentials.
        return Log(store, self._prefix, self._record)


def _end(store: Store, log: Log[E]) -> int:
    """The number of the newest entry, also where some before it are lost.

    A folder is asked for single numbers first: to look behind the last of them is quicker than to list them all.
    """
    if not store.uri.startswith("file:"):
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
