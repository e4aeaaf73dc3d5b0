"""How the evidence grew: a few points over time, each with the interval of every gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airflow_mlops.core.gates import GateResult, Outcome

_MOST = 128


@dataclass(frozen=True)
class Point:
    """The state of all gates at one moment.

    :param elapsed: seconds since the stage started.
    :param samples: of each gate.
    :param intervals: of each gate, in the unit of its limit; None before its first observation.
    :param outcomes: of each gate: pass, fail or inconclusive.
    """

    elapsed: float
    samples: tuple[int, ...]
    intervals: tuple[tuple[float, float] | None, ...]
    outcomes: tuple[Outcome, ...]


@dataclass
class Trace:
    """Points in the order of time; when there are too many, every second one is dropped.

    :param limits: name and limit of each gate on requests, in the unit of its intervals.
    :param series: of each metric of the machine: seconds since the stage started, and the challenger's value.
    """

    limits: tuple[tuple[str, float], ...]
    points: list[Point] = field(default_factory=list)
    series: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)

    def add(self, elapsed: float, results: Sequence[GateResult]) -> None:
        """Add what the gates say at one moment."""
        if len(self.points) >= _MOST:
            del self.points[1:-1:2]
        self.points.append(
            Point(
                elapsed,
                tuple(result.samples or 0 for result in results),
                tuple(result.interval for result in results),
                tuple(result.outcome for result in results),
            )
        )

    def measure(self, series: Mapping[str, Sequence[tuple[float, float]]]) -> None:
        """Take what a machine's instruments have said since the stage started, in place of what they said before."""
        self.series = {metric: _thinned(values) for metric, values in series.items()}


def _thinned(values: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most about so many as a picture shows, the newest among them."""
    every = max(1, -(-len(values) // _MOST))
    return tuple(values[::-1][::every][::-1])
