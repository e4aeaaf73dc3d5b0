"""Follow a stage look by look: each look reads only what was captured since the last one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.rollout.instruments import machine_metrics
from airflow_mlops.core.rollout.judge import decide, judge_readings, open_watch
from airflow_mlops.core.serving.base import Instruments
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.serving.hours import Cursor

if TYPE_CHECKING:
    from airflow_mlops.core.gates import GateResult
    from airflow_mlops.core.rollout.placement import Placement
    from airflow_mlops.core.rollout.trace import Trace
    from airflow_mlops.core.rollout.verdict import Stage, Verdict
    from airflow_mlops.core.rollout.watch import StageWatch
    from airflow_mlops.core.serving.base import Endpoint, Resources
    from airflow_mlops.core.serving.capture import GroundTruth
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec

#: The clocks of the endpoint and of who wrote the deployment may differ by so much.
SKEW = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


class Following:
    """What was seen of one place in the traffic so far.

    It holds no more than can be read again: whoever starts anew comes to the same verdict. After a look that failed,
    the next one begins from the start.
    """

    def __init__(self, store: Store, endpoint: Endpoint, spec: ModelSpec) -> None:
        self._store, self._endpoint, self._spec = store, endpoint, spec
        self._place: tuple[object, ...] = ()
        self._watch: StageWatch | None = None
        self._cursor = Cursor()
        self._asks_instruments = bool(machine_metrics(spec.rollout))
        self._said: tuple[datetime, tuple[GateResult, ...]] | None = None
        self._passed: datetime | None = None

    @property
    def trace(self) -> Trace | None:
        """How the evidence grew; None before the first look."""
        return self._watch.trace if self._watch else None

    def look(self, stage: Stage, place: Placement, champion: int, version: int, now: datetime) -> Verdict:
        """The judge's word now."""
        at = (stage, place.number, champion, version)
        watch = self._watch if at == self._place else None
        self._watch = None
        if watch is None:
            watch, self._cursor = self._open(stage, place, champion, version), Cursor()
            self._said = self._passed = None
        since = place.started - SKEW
        captures = list(self._endpoint.captures(since, self._cursor))
        labels: list[GroundTruth] = []
        if watch.judges_rows:
            labels += read_ground_truth(self._store, self._spec.name, since, cursor=self._cursor)
        watch.feed(captures, labels, now.timestamp())
        del captures, labels  # a first look may hold a day of them: what counts is folded
        elapsed = now - place.started - place.paused
        machines = self._machines(watch, place, elapsed, now)
        verdict = decide(watch, self._spec.rollout, elapsed, machines)
        self._watch, self._place = watch, at
        return self._when_certain(verdict, now)

    def _when_certain(self, verdict: Verdict, now: datetime) -> Verdict:
        """A canary passes only when it still does once it is known which of the requests up to then have failed."""
        if verdict.stage != "canary" or verdict.decision != "PROMOTE":
            self._passed = None
            return verdict
        self._passed = self._passed or now
        if self._endpoint.certain_until(now) >= self._passed:
            return verdict
        reason = f"{verdict.reason}; waiting for the count of requests that failed by {self._passed:%T %Z}"
        return verdict.model_copy(update={"decision": "CONTINUE", "reason": reason})

    def _machines(
        self, watch: StageWatch, place: Placement, elapsed: timedelta, now: datetime
    ) -> tuple[GateResult, ...] | None:
        """What the gates on the machine say, by a reading that is no older than a minute.

        Sooner there is nothing new to read, and CloudWatch bills each question.
        """
        if not self._asks_instruments:
            return None
        from airflow_mlops.core.rollout.machine import Readings

        if self._said is None or now - self._said[0] >= MINUTE:
            endpoint = self._endpoint
            known = endpoint.resources(place.started, now) if isinstance(endpoint, Instruments) else {}
            self._said = now, judge_readings(watch, self._spec.rollout, elapsed, Readings(known, now))
            watch.trace.measure(_elapsed(known, watch.window.challenger, place.started))
        return self._said[1]

    def _open(self, stage: Stage, place: Placement, champion: int, version: int) -> StageWatch:
        return open_watch(
            stage,
            self._spec.rollout,
            self._spec.training.objective,
            champion,
            version,
            place.started,
            weight=place.entry.weight,
            deployment=place.number,
        )


def _elapsed(known: Resources, variant: str, started: datetime) -> dict[str, list[tuple[float, float]]]:
    """The series of one variant, in seconds since the stage started."""
    return {
        metric: [((at - started).total_seconds(), value) for at, value in variants.get(variant, ())]
        for metric, variants in known.items()
    }
