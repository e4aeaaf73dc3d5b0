"""Which captured requests are asked again: those of the champion, the same ones at every look of one run."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.record import Record
from airflow_mlops.core.store.results import keep_first, read_kept

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint
    from airflow_mlops.core.serving.capture import CaptureRecord
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import Replay

#: The part of the window that is read first: the last hour of a day.
_END = 24


@dataclass(frozen=True)
class PastRequests:
    """Requests that version ``champion`` has answered.

    :param since: no request before this was taken.
    :param requests: the champion's captured answers, oldest first, one for each inference id.
    :param counts: other captures of the same time, by why they were not taken.
    """

    champion: int
    since: datetime
    requests: tuple[CaptureRecord, ...]
    counts: dict[str, int]


class ReplayStart(Record):
    """Where the first look of a run put the start of its window."""

    since: datetime


def past_requests(
    store: Store, endpoint: Endpoint, replay: Replay, *, champion: int, key: str, now: datetime
) -> PastRequests:
    """The newest ``replay.max_requests`` requests of the last ``replay.window``, which the hash gave to the champion.

    The first look keeps in the store where its window starts. A later one, of a retried or cleared task, starts there
    too and takes what was captured since, up to ``replay.max_requests``. So it can add to the evidence, as the judge
    allows; it can't look for a window in which the challenger does better.

    :param key: of what is kept; one for each run.
    """
    start = read_kept(store, key, ReplayStart)
    if start is None:
        found = _newest(endpoint, replay, champion, now)
        start = keep_first(store, key, ReplayStart(since=found.since))
        if start.since == found.since:
            return found
    return _Taken(champion, replay.max_requests, newest=False).take(endpoint, start.since, now)


def _newest(endpoint: Endpoint, replay: Replay, champion: int, now: datetime) -> PastRequests:
    """The newest requests of the window; the whole of it is read only where its end does not hold enough of them."""
    end = now - replay.window / _END
    found = _Taken(champion, replay.max_requests, newest=True).take(endpoint, end, now)
    if len(found.requests) == replay.max_requests:
        return found
    return _Taken(champion, replay.max_requests, newest=True).take(endpoint, now - replay.window, now)


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
        start = requests[0].at if full else since
        return PastRequests(self.champion, start, tuple(requests), dict(self.counts))

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
