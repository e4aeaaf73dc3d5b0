"""Gates on the machine: a challenger that takes too much memory or CPU, or leaks, is stopped before it hurts.

These are no statistics on requests but one value a minute of the variant's instances. What is high now fails by its
level. Memory that grows steadily fails as soon as it would surely pass its limit before the stage is over; CPU follows
the load, and what it will be tonight can't be told from this morning, so it fails by its level alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.gates import Gate, GateResult, Outcome
from airflow_mlops.core.rollout.trend import Floats, theil_sen, trend

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Resources, Series

#: The level is the median of so much time; what is older than ``STALE`` says nothing about now.
RECENT, STALE = timedelta(minutes=5), timedelta(minutes=10)
#: With fewer points nothing is said; with fewer than the second number nothing about growth.
LEAST, LEAST_TO_GROW = 5, 10
_GROWS = "memory"
#: Growth that has slowed down to less than this share of what it was is a warm-up that ends, not a leak.
_STEADY = 0.6
#: Nothing is foretold for longer than so many times as was seen: ten minutes of a warm-up say nothing about a day.
_AHEAD = 2.0
#: Points of a trend; longer series are taken together in equal parts.
_MOST = 120
_NEVER = datetime.max.replace(tzinfo=timezone.utc)
_WORDS = {"fail": "failed", "pass": "passed", "inconclusive": "undecided"}


@dataclass(frozen=True)
class Readings:
    """What an endpoint's instruments said. :param at: the time of the reading."""

    resources: Resources
    at: datetime


def judge_machines(
    gates: Iterable[Gate], readings: Readings | None, variant: str, left: timedelta
) -> tuple[GateResult, ...]:
    """What gates on the machine say of one variant; see :func:`judge_machine`. Without readings: undecided."""
    readings = readings or Readings({}, _NEVER)
    return tuple(
        judge_machine(gate, readings.resources.get(gate.metric, {}).get(variant, ()), readings.at, left)
        for gate in gates
    )


def judge_machine(gate: Gate, series: Series, now: datetime, left: timedelta) -> GateResult:
    """Hold a series against the limit of a gate.

    It fails when the recent level is above the limit; for memory also when that grows so steadily that it would surely
    pass the limit in the time that is left, and in no more than twice the time that was seen. It is undecided with
    fewer than five points, with none of the last ten minutes, or while such growth slows down; otherwise it passes.

    :param series: of the challenger since its stage started, in per cent.
    :param left: until the longest duration of the stage is over.
    """
    points = _Points.of(series, now)
    if points.count < LEAST:
        return _result(
            gate, points, "inconclusive", f"{points.count} of at least {LEAST} values, one a minute"
        )
    if points.age > STALE:
        late = points.age.total_seconds() / 60.0
        return _result(gate, points, "inconclusive", f"its newest value is {late:.0f} minutes old")
    limit = float(gate.max or 0.0)
    if points.level > limit:
        return _result(gate, points, "fail", f"it is {points.level:.3g} %, {limit:g} is allowed")
    if gate.metric == _GROWS and points.count >= LEAST_TO_GROW:
        outcome, words, reached = _growth(points, limit, left.total_seconds() / 60.0)
        return _result(gate, points, outcome, words, reached)
    return _result(gate, points, "pass", _flat(points, limit))


@dataclass(frozen=True)
class _Points:
    """The usable part of a series.

    :param minutes: since the first point; ``values``: in per cent.
    :param age: of the newest point.
    """

    minutes: Floats
    values: Floats
    age: timedelta

    @classmethod
    def of(cls, series: Series, now: datetime) -> _Points:
        kept = sorted((at, value) for at, value in series if at <= now and math.isfinite(value))
        kept = list(dict(kept).items())
        if not kept:
            return cls(np.empty(0), np.empty(0), timedelta(0))
        start = kept[0][0]
        minutes = np.array([(at - start).total_seconds() / 60.0 for at, _ in kept])
        return cls(minutes, np.array([value for _, value in kept], dtype=np.float64), now - kept[-1][0])

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def level(self) -> float:
        """The median of the newest minutes."""
        recent = self.minutes > self.minutes[-1] - RECENT.total_seconds() / 60.0
        return float(np.median(self.values[recent]))

    def thinned(self) -> tuple[Floats, Floats]:
        """No more points than a trend needs: medians of equal parts."""
        if self.count <= _MOST:
            return self.minutes, self.values
        parts = np.array_split(np.arange(self.count), _MOST)
        return (
            np.array([np.median(self.minutes[part]) for part in parts]),
            np.array([np.median(self.values[part]) for part in parts]),
        )


def _growth(points: _Points, limit: float, left: float) -> tuple[Outcome, str, float | None]:
    """What a trend says, and where it leads to. :param left: minutes until the end of the stage."""
    times, values = points.thinned()
    found = trend(times, values)
    middle = len(values) // 2
    before, lately = theil_sen(times[:middle], values[:middle]), theil_sen(times[middle:], values[middle:])
    pace = min(found.lower, lately)
    ahead = min(left, _AHEAD * float(times[-1] - times[0]))
    reached = points.level + pace * ahead
    if pace <= 0.0 or reached <= limit:
        return "pass", _flat(points, limit), None
    grows = f"it is {points.level:.3g} % and grows by at least {pace:.2g} points a minute"
    until = f"would pass {limit:g} in {(limit - points.level) / pace:.0f} minutes; the stage may last {left:.0f} more"
    if lately < _STEADY * before:
        return (
            "inconclusive",
            f"{grows}, though more and more slowly; at that pace it {until}",
            min(reached, 100.0),
        )
    return "fail", f"{grows}; it {until}", min(reached, 100.0)


def _flat(points: _Points, limit: float) -> str:
    return f"it is {points.level:.3g} %, {limit:g} is allowed"


def _result(
    gate: Gate, points: _Points, outcome: Outcome, words: str, reached: float | None = None
) -> GateResult:
    level = points.level if points.count else None
    return GateResult(
        gate=gate,
        outcome=outcome,
        value=level,
        bound=level if reached is None else reached,
        limit=gate.max,
        samples=points.count,
        reason=f"{_WORDS[outcome]}: {gate.name} over {points.count} minutes; {words}",
    )
