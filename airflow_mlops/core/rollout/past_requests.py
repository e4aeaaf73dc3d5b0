"""Which captured requests are asked again: those of the champion, the same ones at every look of one run."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import KeyExists, KeyMissing
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.results import parse

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import Replay


@dataclass(frozen=True)
class PastRequests:
    """Requests that the champion has answered.

    :param since: no request before this was taken.
    :param requests: the champion's captured answers, oldest first, one for each inference id.
    :param counts: other captures of the same time, by why they were not taken.
    """

    since: datetime
    requests: tuple[CaptureRecord, ...]
    counts: dict[str, int]


class ReplayStart(Record):
    """Where the first look of a run put the start of its window."""

    version: int
    champion: int
    run: str
    since: datetime


def past_requests(
    store: Store,
    endpoint: Endpoint,
    model: str,
    replay: Replay,
    *,
    champion: int,
    challenger: int,
    run: str,
    now: datetime,
) -> PastRequests:
    """The newest ``replay.max_requests`` requests of the last ``replay.window``, which the hash gave to the champion.

    The first look of a run keeps in the store where its window starts. A later one, of a retried or cleared task,
    starts there too and takes what was captured since, up to ``replay.max_requests``. So it can add to the evidence,
    as the judge allows; it can't look for a window in which a refused challenger does better.
    """
    key = _key(model, replay, champion, challenger, run)
    start = _read(store, key)
    if start is None:
        found = _Taken(champion, replay.max_requests, newest=True).take(endpoint, now - replay.window, now)
        asked = ReplayStart(version=challenger, champion=champion, run=run, since=found.since)
        start = _write_once(store, key, asked)
        if start == asked:
            return found
    return _Taken(champion, replay.max_requests, newest=False).take(endpoint, start.since, now)


@dataclass
class _Taken:
    """At most ``most`` requests, the newest or the oldest; the memory does not grow with the traffic."""

    champion: int
    most: int
    newest: bool
    heap: list[tuple[float, str, int, CaptureRecord]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, endpoint: Endpoint, since: datetime, now: datetime) -> PastRequests:
        for record in endpoint.captures(since):
            if since <= record.at <= now:
                self._offer(record)
        requests = sorted((record for *_, record in self.heap), key=lambda one: (one.at, one.event_id))
        full = self.newest and len(requests) == self.most
        return PastRequests(requests[0].at if full else since, tuple(requests), dict(self.counts))

    def _offer(self, record: CaptureRecord) -> None:
        reason = self._why_not(record)
        if reason:
            self.counts[reason] += 1
            return
        at = record.at.timestamp()
        rank = at if self.newest else -at
        self.ids.add(record.inference_id)
        # the number decides between equals, as records can't be compared
        heapq.heappush(self.heap, (rank, record.event_id, len(self.ids), record))
        if len(self.heap) > self.most:
            self.ids.discard(heapq.heappop(self.heap)[-1].inference_id)

    def _why_not(self, record: CaptureRecord) -> str:
        if record.role != "champion" or record.chosen != "split":
            return "not_of_the_champion"
        if record.variant != f"v{self.champion}":
            return "of_other_champions"
        if not record.rows:
            return "captured_without_rows"
        return "repeated_inference_id" if record.inference_id in self.ids else ""


def _key(model: str, replay: Replay, champion: int, challenger: int, run: str) -> str:
    """Another run, champion or window is another sample."""
    about = [run, champion, replay.window.total_seconds(), replay.max_requests]
    name = hashlib.sha256(json.dumps(about).encode()).hexdigest()[:32]
    return f"models/{model}/replays/{challenger}/{name}.json"


def _read(store: Store, key: str) -> ReplayStart | None:
    try:
        return parse(store.read(key), ReplayStart, key)
    except KeyMissing:
        return None


def _write_once(store: Store, key: str, start: ReplayStart) -> ReplayStart:
    """``start``, or what another try of the same task has written before."""
    try:
        store.create(key, start.to_bytes())
        return start
    except KeyExists:
        return parse(store.read(key), ReplayStart, key)
