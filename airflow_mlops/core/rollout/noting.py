"""Write down how a stage goes on, look by look; what can't be written disturbs nobody."""

from __future__ import annotations

import math
from contextlib import suppress
from datetime import datetime

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.rollout.progress import GateNow, StageNow, progress_log
from airflow_mlops.core.rollout.trace import Trace
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Log, Store

#: A look that decides nothing is written when there are so many more samples: a rollout of weeks stays a short log.
_GROWTH = 1.02


class Notes:
    """The log of the stage that is looked at; several may write it, and then the first one is right."""

    def __init__(self, store: Store, model: str) -> None:
        self._store, self._model = store, model
        self._entry = 0
        self._newest: tuple[int, StageNow | None] | None = None

    def note(self, verdict: Verdict, trace: Trace | None, now: datetime) -> None:
        """Write down what a look said, if it says more than the one before."""
        if verdict.deployment is None or verdict.version is None:
            return
        if verdict.deployment != self._entry:
            self._entry, self._newest = verdict.deployment, None
        with suppress(MlopsError):  # the next look tries again
            log = progress_log(self._store, self._model, self._entry)
            number, before = self._newest or _newest(log)
            self._newest = None
            point = point_of(verdict, trace, now)
            if before is None or _says_more(before, point):
                number, before = log.append(point, after=number), point
            self._newest = number, before


def point_of(verdict: Verdict, trace: Trace | None, now: datetime) -> StageNow:
    """A look as it is kept."""
    limits = dict(enumerate(limit for _, limit in trace.limits)) if trace else {}
    return StageNow(
        at=now,
        stage=verdict.stage,
        version=verdict.version or 0,
        decision=verdict.decision,
        reason=verdict.reason,
        samples=verdict.counts.get("samples", 0),
        needed=verdict.needed,
        gates=tuple(
            _gate(result, limits.get(place, result.limit)) for place, result in enumerate(verdict.gates)
        ),
    )


def _newest(log: Log[StageNow]) -> tuple[int, StageNow | None]:
    return log.newest() or (0, None)


def _says_more(before: StageNow, point: StageNow) -> bool:
    if (before.decision, _outcomes(before)) != (point.decision, _outcomes(point)):
        return True
    return point.samples > before.samples and point.samples >= _GROWTH * before.samples


def _outcomes(point: StageNow) -> tuple[tuple[str, str], ...]:
    return tuple((gate.name, gate.outcome) for gate in point.gates)


def _gate(result: GateResult, limit: float | None) -> GateNow:
    low, high = result.interval or (math.inf, math.inf)
    return GateNow(
        name=result.gate.name,
        outcome=result.outcome,
        value=_value(result),
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        limit=limit or 0.0,
        said=result.reason,
    )


def _value(result: GateResult) -> float | None:
    """What is held against the limit, in its unit: of a latency quantile nobody knows it but as an interval."""
    if result.value is None or result.gate.metric == "latency_quantile":
        return None
    if result.gate.margin is None:
        return result.value
    if result.champion is None:
        return None
    worse = result.value - result.champion
    return -worse if result.gate.direction == "higher" else worse
