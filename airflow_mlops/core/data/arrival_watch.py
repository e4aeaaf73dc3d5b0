"""Watching one data set for complete batches: listing, deciding, claiming, and saying so once."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from airflow_mlops.core.data.arrival import Batch, FoundFile, Look, Rule
from airflow_mlops.core.data.arrival_listing import Listing, open_listing, read_if_there
from airflow_mlops.core.data.arrival_log import ArrivalLog
from airflow_mlops.core.data.arrival_rules import Observer
from airflow_mlops.core.data.catalog import list_versions
from airflow_mlops.core.data.glob import check_path
from airflow_mlops.core.data.pin import Pin
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store.base import Store

#: A listing of fewer requests is made at every look.
_FEW_PAGES = 3
#: Seconds after which a long listing is made again at the latest, to find what does not sort last.
_LONGEST = 3600.0
#: Names of files in an event.
_NAMES = 5


class Watched(NamedTuple):
    """What is watched.

    :param dataset: its name, for the versions that have seen files.
    :param source: glob below the data root.
    """

    dataset: str
    source: str
    rule: Rule


@dataclass(frozen=True)
class _Seen:
    """What the versions of a data set have seen: when the newest one was made, by path and size."""

    when: dict[tuple[str, int], float]

    def has(self, file: FoundFile) -> bool:
        made = self.when.get((file.path, file.size))
        return made is not None and file.at <= made


class ArrivalWatcher:
    """Looks for complete batches of one data set.

    A batch that :meth:`look` returns is claimed in the log: this process has to announce it, and then to call
    :meth:`announced`. When it dies before, the claim runs out and somebody announces it again.

    Its methods block; threads may call them.

    :param before: the watcher whose place it takes, with what that one has not finished.
    """

    def __init__(
        self, store: Store, root: DataRoot, watched: Watched, before: ArrivalWatcher | None = None
    ) -> None:
        self._store = store
        self._watched = watched
        self._listable = open_listing(root, watched.source)
        self._observer = Observer(
            check_path(watched.source), watched.rule, lambda path: read_if_there(root, path)
        )
        self._log = ArrivalLog(
            store, watched.dataset, f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        )
        self._lock = threading.Lock()
        self._under_way: dict[str, Batch] = before._under_way if before else {}
        self._unlogged: list[Batch] = before._unlogged if before else []
        self._pages = 0
        self._whole_at: float | None = None
        self._end = ""  # where the part of a long listing begins that is looked at each time

    def look(self, clock: float, now: datetime, interval: float = 0.0) -> Look:
        """What is complete, claimed for this process.

        :param clock: seconds of a clock that never goes back.
        :param now: for the log.
        :param interval: seconds between two looks: long listings are made less often.
        :raises DataError: if the files can't be listed.
        :raises StoreError: if the log can't be read or written.
        """
        with self._lock:
            self._catch_up(now)
            whole = self._is_whole(clock, interval)
            listing = self._listable.list("" if whole else self._end)
            if not self._log.began:
                self._begin(listing, now)
            found = self._observer.look(listing.files, self._taken(now), clock, whole=whole)
            before = len(self._log.known)
            if found.batches:
                self._log.refresh()
                if len(self._log.known) != before or self._log.claimed(now):
                    found = self._observer.look(listing.files, self._taken(now), clock, whole=whole)
            if whole:
                self._remember(listing, clock)
            found.batches = [one for one in found.batches if self._log.claim(one, now)]
            self._under_way.update({one.id: one for one in found.batches})
            found.pending |= {file.path for one in self._under_way.values() for file in one.files}
            return found

    def announced(self, batch: Batch, now: datetime) -> None:
        """Airflow has stored the event of a batch. What can't be logged now is logged before the next look.

        :raises StoreError: if it can't be written.
        """
        with self._lock:
            self._under_way.pop(batch.id, None)
            self._unlogged.append(batch)
            self._catch_up(now)

    def failed(self, batch: Batch) -> None:
        """Nobody knows whether the event of a batch was stored: it is announced again when the claim has run out."""
        with self._lock:
            self._under_way.pop(batch.id, None)

    def _catch_up(self, now: datetime) -> None:
        while self._unlogged:
            self._log.announce(self._unlogged[0], now)
            self._unlogged.pop(0)

    def _taken(self, now: datetime) -> set[int]:
        """Marks that are no news: announced, or just being announced by somebody."""
        ours = {mark for one in self._under_way.values() for mark in one.marks}
        return self._log.known | self._log.claimed(now) | ours

    def _begin(self, listing: Listing, now: datetime) -> None:
        """At the very first look, what a dataset version has seen is no news."""
        self._log.refresh()
        if self._log.began:
            return
        seen = _seen(self._store, self._watched.dataset)
        self._log.begin({one.mark for one in listing.files if seen.has(one)}, now)

    def _is_whole(self, clock: float, interval: float) -> bool:
        if self._whole_at is None or self._pages < _FEW_PAGES or not self._end:
            return True
        return clock - self._whole_at >= min(self._pages * interval, _LONGEST)

    def _remember(self, listing: Listing, clock: float) -> None:
        self._pages, self._whole_at = listing.pages, clock
        self._end = ""
        if listing.pages >= _FEW_PAGES:
            known = self._log.known
            newest = max((one for one in listing.files if one.mark in known), default=None)
            if newest is not None:
                settled = self._watched.rule.complete == "settled"
                self._end = newest.path if settled else newest.folder + "/" * bool(newest.folder)


def _seen(store: Store, dataset: str) -> _Seen:
    when: dict[tuple[str, int], float] = {}
    try:
        versions = list_versions(store, dataset)
    except DataError:
        versions = []  # there is none
    for version in versions:
        made = version.created_at.timestamp()
        files = (
            zip(version.sources, version.sizes, strict=True)
            if isinstance(version, Pin)
            else ((one.source, one.size) for one in version.files)
        )
        when.update(dict.fromkeys(files, made))  # the oldest first: the newest stays
    return _Seen(when)


def describe(batch: Batch) -> dict[str, object]:
    """What the event of a batch says; small, however many files it has."""
    return {
        "batch": batch.id,
        "complete": batch.complete,
        "batches": batch.batches,
        "files": len(batch.files),
        "bytes": batch.size,
        "first": [one.path for one in batch.files[:_NAMES]],
    }
