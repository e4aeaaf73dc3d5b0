"""An endpoint in memory: serves what it is asked for, unless told otherwise, and answers requests by a script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from airflow_mlops.core.errors import DeploymentFailed, DeploymentPending, DeploymentRolledBack
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.base import Prediction
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor
from airflow_mlops.core.serving.split import takes_challenger

REQUESTS = 600


class FakeEndpoint:
    """Implements the protocol ``Endpoint``.

    :ivar serves: what it serves now.
    :ivar fault: raised by every call that reaches the endpoint.
    :ivar refuses: whether it does not follow when it is asked for this.
    :ivar slowest: above two minutes, operators wait for it deferred.
    :ivar pending: so many reconciles still find it changing.
    :ivar uncertain: for so long after a request it may still turn out that it failed.
    :ivar goes_back: whether it goes back by itself when it is asked for this.
    :ivar during: called once, in the midst of the next reconcile.
    :ivar errors: share of the challenger's answers that are failures.
    :ivar requests: how many came since the challenger did; a hash of their number assigns them.
    """

    url = "memory://orders/invocations"
    page = "memory://orders"

    def __init__(self) -> None:
        self.serves: Desired = NOTHING
        self.asked: list[Desired] = []
        self.fault: Exception | None = None
        self.refuses: Callable[[Desired], bool] = lambda desired: False
        self.slowest = timedelta(minutes=2)
        self.uncertain = timedelta(0)
        self.waited: list[timedelta] = []
        self.pending = 0
        self.goes_back: Callable[[Desired], bool] = lambda desired: False
        self.during: Callable[[], object] | None = None
        self.errors = 0.0
        self.requests = REQUESTS

    def reconcile(self, desired: Desired, timeout: timedelta) -> None:
        self._reach()
        self.asked.append(desired)
        self.waited.append(timeout)
        if self.pending:
            self.pending -= 1
            raise DeploymentPending("it is still changing")
        if self.goes_back(desired):
            raise DeploymentRolledBack("it went back by itself", given="alarm rang")
        if self.during:
            during, self.during = self.during, None
            during()
            raise DeploymentFailed("another deployment came after it")
        if self.refuses(desired):
            raise DeploymentFailed("can't load it", given=self.serves.mode, expected=desired.mode)
        self.serves = desired

    def certain_until(self, now: datetime) -> datetime:
        return now - self.uncertain

    def describe(self) -> Desired:
        self._reach()
        return self.serves

    def invoke(
        self, rows: list[dict[str, Any]], *, inference_id: str | None = None, variant: str | None = None
    ) -> Prediction:
        self._reach()
        return Prediction(
            predictions=(0.5,) * len(rows),
            variant=variant or f"v{self.serves.champion}",
            inference_id=inference_id or "i",
        )

    def captures(self, since: datetime, cursor: Cursor | None = None) -> Iterator[CaptureRecord]:
        """What was answered in the first milliseconds after ``since``."""
        self._reach()
        for number in range(self.requests):
            for record in self._answers(number, since + timedelta(microseconds=number)):
                if cursor is None or cursor.is_new("memory", record.event_id):
                    yield record

    def _answers(self, number: int, at: datetime) -> Iterator[CaptureRecord]:
        key = sha256(f"{number}".encode()).hexdigest()[:16]
        mine = self.serves.mode == "canary" and takes_challenger(key, self.serves.weight)
        if not mine:
            yield self._answer(number, at, key, challenger=False)
        if mine or self.serves.mode == "shadow":
            yield self._answer(number, at, key, challenger=True)

    def _answer(self, number: int, at: datetime, key: str, *, challenger: bool) -> CaptureRecord:
        fails = challenger and number % 100 < 100 * self.errors
        return CaptureRecord(
            event_id=f"{number}-{challenger}",
            inference_id=f"{number}",
            variant=f"v{self.serves.challenger if challenger else self.serves.champion}",
            role="champion" if not challenger else "shadow" if self.serves.mode == "shadow" else "challenger",
            at=at,
            latency_ms=1.0,
            status=500 if fails else 200,
            key=key,
            rows=({"amount": 1.0},),
            predictions=None if fails else (0.5,),
            deployment=self.serves.number,
        )

    def _reach(self) -> None:
        if self.fault:
            raise self.fault
