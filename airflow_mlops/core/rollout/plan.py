"""What a rollout will take before it is started: requests and time to stop a bad challenger, and to pass a good one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.rollout.advice import advice
from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.expected import Expected, expect
from airflow_mlops.core.rollout.gating import Levels
from airflow_mlops.core.rollout.judge import check_gates, gates_of
from airflow_mlops.core.rollout.machine import LEAST
from airflow_mlops.core.rollout.past_traffic import PastTraffic
from airflow_mlops.core.rollout.planned import Effort, GatePlan, Plan, Spread, StagePlan
from airflow_mlops.core.rollout.power import crossing, fitting_limit
from airflow_mlops.core.rollout.scales import scale_of

if TYPE_CHECKING:
    from airflow_mlops.core.gates import Gate
    from airflow_mlops.core.rollout.verdict import Stage
    from airflow_mlops.spec import Canary, ModelSpec, Replay, Shadow

#: Seeds of the two questions of a gate.
_STOPPED, _PASSED = 0, 1


@dataclass(frozen=True)
class Assumptions:
    """What a plan takes for granted.

    :param detect: per metric, or name of a gate, by how much a challenger is worse that is to be stopped, in the unit
        of the metric; without it, as far beyond the limit as one that is as good as the champion lies below.
    :param differ: share of the rows on which a challenger that is as good answers otherwise, as if to any other row.
    :param runs: simulated per question; ``seed``: the same one gives the same plan.
    """

    detect: Mapping[str, float]
    differ: float = 0.1
    runs: int = 200
    seed: int = 0


def plan(spec: ModelSpec, traffic: PastTraffic, given: Assumptions, progress: Progress = ignore) -> Plan:
    """Simulate every gate of every stage of the spec's rollout on the champion's own traffic.

    Gates on the machine are named but not simulated: past requests say nothing about them. A stage with one takes at
    least the minutes that its first readings take.

    :raises SpecError: if a gate can't be judged on live traffic, ``detect`` names no gate or no possible change, or
        there is nothing to simulate.
    """
    check(spec, given)
    stages = []
    seconds = np.zeros(given.runs)
    for number, (stage, weight) in enumerate(spec.rollout.stages):
        found, takes = _Stage(spec, traffic, given, stage, weight, number).plan(progress)
        stages.append(found)
        # runs of different stages have nothing to do with each other
        seconds = seconds + np.random.default_rng((given.seed, number)).permutation(takes)
    planned = Plan(
        model=spec.name,
        champion=traffic.champion,
        requests=traffic.requests.rows,
        rate=traffic.rate,
        delay=traffic.delay,
        label_share=traffic.label_share,
        differ=given.differ,
        runs=given.runs,
        seed=given.seed,
        stages=tuple(stages),
        seconds=_spread(seconds),
    )
    return planned.model_copy(update={"warnings": advice(planned)})


def check(spec: ModelSpec, given: Assumptions) -> None:
    """Refuse what can't be planned, before any traffic is read.

    :raises SpecError: as :func:`plan` does, but for changes that are too large.
    """
    rollout = spec.rollout
    check_gates(rollout, spec.training.objective)
    every = (gate for stage, weight in rollout.stages for gate in gates_of(stage, rollout, weight))
    gates = [gate for gate in every if not gate.on_machine]
    known = sorted({gate.metric for gate in gates} | {gate.name for gate in gates})
    for name, change in given.detect.items():
        if name not in known:
            raise SpecError(
                "detect: no gate of this rollout", given=name, expected=f"one of {', '.join(known)}"
            )
        if not (math.isfinite(change) and change > 0.0):
            raise SpecError(f"detect: how much worse in {name}", given=change, expected="a number above 0")
    if not 0.0 <= given.differ <= 1.0:
        raise SpecError(
            "differ: share of the rows answered otherwise", given=given.differ, expected="from 0 to 1"
        )
    if given.runs < 1 or given.seed < 0:
        raise SpecError(
            "runs and seed of the simulation",
            given=f"{given.runs} and {given.seed}",
            expected="1 or more, and 0 or more",
        )


@dataclass(frozen=True)
class _Stage:
    """One stage to be planned. :param number: its place in the rollout."""

    spec: ModelSpec
    traffic: PastTraffic
    given: Assumptions
    stage: Stage
    weight: float
    number: int

    def plan(self, progress: Progress) -> tuple[StagePlan, Floats]:
        """What it takes, and the seconds of each run."""
        rollout, section = self.spec.rollout, self._section
        every = gates_of(self.stage, rollout, self.weight)
        gates = [gate for gate in every if not gate.on_machine]
        on_machine = [GatePlan(gate=gate) for gate in every if gate.on_machine]
        levels = Levels.split(rollout.alpha, len(gates), len(rollout.slices) * rollout.max_slices)
        fair = float((~self.traffic.requests["refused"]).mean())
        least = np.full(self.given.runs, math.ceil(section.min_samples / max(fair, 1e-9) / self._share))
        readings = LEAST * 60.0 if on_machine else 0.0
        requests, seconds = least, np.maximum(self._lasts(least), max(self._dwell, readings))
        plans = []
        for place, gate in enumerate(gates):
            progress(
                f"{self.stage} {self.weight:g}: {gate.name}" if self.weight else f"{self.stage}: {gate.name}"
            )
            found, takes, lasts = self._gate(gate, levels, place)
            requests, seconds = np.maximum(requests, takes), np.maximum(seconds, lasts)
            plans.append(found)
        planned = StagePlan(
            stage=self.stage,
            weight=self.weight,
            gates=(*plans, *on_machine),
            passed=self._effort(requests, seconds),
            min_samples=section.min_samples,
            reached=float(self._lasts(least)[0]),
            longest=self._longest,
            available=self._available,
        )
        return planned, seconds

    def _gate(self, gate: Gate, levels: Levels, place: int) -> tuple[GatePlan, Floats, Floats]:
        """What one gate takes, and the requests and seconds of each run until it passes."""
        given = self.given
        expected = expect(
            gate,
            self.spec.training.objective,
            self.traffic,
            paired=self.stage != "canary",
            share=self.weight or 0.5,
            differ=given.differ,
            detect=given.detect.get(gate.name, given.detect.get(gate.metric)),
        )
        if isinstance(expected, str):
            never = np.full(given.runs, np.inf)
            return GatePlan(gate=gate, obstacle=expected), never, never
        seed = (given.seed, self.number, place)
        failing = crossing(expected, levels.fail, given.runs, (*seed, _STOPPED), worse=True)
        passing = crossing(expected, levels.accept, given.runs, (*seed, _PASSED), worse=False)
        per_request = self._per_request(expected)
        takes = np.ceil(passing.after / per_request)
        lasts = self._lasts(takes, expected.delay)
        stopping = np.ceil(failing.after / per_request)
        result = GatePlan(
            gate=gate,
            level=expected.level,
            change=expected.change,
            delay=0.0 if self.stage == "replay" else expected.delay,
            stopped=self._effort(stopping, self._lasts(stopping, expected.delay)),
            passed=self._effort(takes, lasts),
            about=_finite(passing.about / per_request),
            fitting=self._fitting(expected, lasts, takes, levels.accept, seed),
            captured=len(expected.keys),
            design_effect=round(passing.design_effect, 3),
        )
        return result, takes, lasts

    def _fitting(
        self, expected: Expected, lasts: Floats, takes: Floats, level: float, seed: tuple[int, ...]
    ) -> float | None:
        """Where a gate on a margin takes too long: about the margin with which it would not."""
        gate = expected.gate
        if gate.margin is None or gate.metric == "latency_quantile":
            return None
        if self._available is None:
            over = float(np.quantile(lasts, 0.9, method="inverted_cdf")) > (self._longest or 0.0)
            room = ((self._longest or 0.0) - expected.delay) * self.traffic.rate
        else:
            over = float(np.quantile(takes, 0.9, method="inverted_cdf")) > self._available
            room = float(self._available)
        if not over:
            return None
        found = fitting_limit(expected, level, room * self._per_request(expected), (*seed, _PASSED))
        return None if found is None else found * scale_of(gate, self.spec.training.objective).span

    @property
    def _section(self) -> Replay | Shadow | Canary:
        section: Replay | Shadow | Canary = getattr(self.spec.rollout, self.stage)
        return section

    @property
    def _share(self) -> float:
        """Of the requests that the challenger answers."""
        return self.weight if self.stage == "canary" else 1.0

    @property
    def _dwell(self) -> float:
        canary = self.spec.rollout.canary
        dwell = canary.step(self.weight).dwell if canary and self.stage == "canary" else None
        return dwell.total_seconds() if dwell else 0.0

    @property
    def _longest(self) -> float | None:
        longest = getattr(self._section, "max_duration", None)
        return longest.total_seconds() if longest else None

    @property
    def _available(self) -> int | None:
        replay = self.spec.rollout.replay
        if self.stage != "replay" or replay is None:
            return None
        return min(replay.max_requests, round(self.traffic.rate * replay.window.total_seconds()))

    def _per_request(self, expected: Expected) -> float:
        """Observations of a gate per live request."""
        alone = not expected.paired and not expected.compares
        return expected.per_request * (self._share if alone else 1.0)

    def _lasts(self, requests: Floats, delay: float = 0.0) -> Floats:
        """Seconds until there are so many requests, and their truth. In replay all of it is there from the start."""
        if self.stage == "replay":
            return np.where(np.isfinite(requests), 0.0, np.inf)
        return requests / self.traffic.rate + delay

    def _effort(self, requests: Floats, seconds: Floats) -> Effort:
        challenger = np.ceil(requests * self._share)
        return Effort(requests=_spread(requests), challenger=_spread(challenger), seconds=_spread(seconds))


def _spread(values: Floats) -> Spread:
    middle, most = np.quantile(values, (0.5, 0.9), method="inverted_cdf").tolist()
    return Spread(median=_finite(middle), most=_finite(most))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
