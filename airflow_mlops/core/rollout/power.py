"""How many observations a gate takes to fail a challenger that is worse, and to pass one that is not: by simulation.

Outcomes are drawn from those of the champion, and the judge's own e-processes run over them. The evidence is divided
by the design effect that the judge would find in as many neighbouring observations of the champion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.rollout import betting, randomized
from airflow_mlops.core.rollout.betting import Evidence, Flags, Floats, OneSample
from airflow_mlops.core.rollout.cells import DIFFERENCE, UNIT
from airflow_mlops.core.rollout.clusters import Clusters, Moments, bucket_of
from airflow_mlops.core.rollout.expected import Arm, Expected
from airflow_mlops.core.rollout.randomized import LEVELS, TwoArms
from airflow_mlops.core.rollout.state import LEAST_KEYS

#: Observations after which a run is given up.
LONGEST = 100_000
#: Observations of all runs of one question together; where each takes many, there are fewer runs, but not less than:
_BUDGET, _LEAST_RUNS = 2_000_000, 20
_PROBES = 16
#: How often the number of observations is guessed anew, and when it need not be.
_ROUNDS, _SETTLED = 5, 1.2
#: What the mixture of bets costs against the best one, as a logarithm: see betting.LOG_PRIOR.
_PRICE = 2.0
#: What is no nearer to a limit lies on it, but for rounding.
_NOTHING = 1e-9
#: The slowest tenth of the runs takes so much longer than the rule of thumb says.
_SLOW = 1.75
_HIGHEST, _BISECTIONS = 0.99, 20


@dataclass(frozen=True)
class Crossing:
    """When the evidence is enough.

    :param after: observations in each run; infinite in those that were given up.
    :param about: what a rule of thumb says of the number; infinite where the evidence would never grow.
    :param design_effect: by which the evidence was divided: the middle one.
    """

    after: Floats
    about: float
    design_effect: float


def crossing(expected: Expected, level: float, runs: int, seed: tuple[int, ...], *, worse: bool) -> Crossing:
    """When a gate fails a challenger that is worse, or else passes one that is as good as the champion.

    :param level: error probability of the test.
    :param seed: the same numbers give the same runs.
    """
    threshold = -math.log(level)
    excess = expected.excess(worse=worse)
    growth = _growth(expected, expected.limit, worse=worse)
    if growth <= 0.0 or (excess <= _NOTHING if worse else excess >= -_NOTHING):
        return Crossing(np.full(runs, np.inf), np.inf, 1.0)
    likely = (threshold + _PRICE) / growth
    for _ in range(_ROUNDS):  # the longer it takes, the more requests a key has
        before = likely
        effects, least = _dependence(expected, likely, seed, worse=worse)
        middle = float(np.median(effects))
        likely = max((threshold * middle + _PRICE) / growth, 0.0 if worse else least)
        if likely <= before * _SETTLED:
            break
    if likely > LONGEST:
        return Crossing(np.full(runs, np.inf), likely, middle)
    number = min(runs, max(_LEAST_RUNS, int(_BUDGET / likely)))
    after = np.array(
        [
            _run(expected, threshold * effects[run % len(effects)], likely, (*seed, 2, run), worse=worse)
            for run in range(number)
        ]
    )
    if not worse:
        after = np.maximum(after, math.ceil(least))
    after += expected.warm_up
    return Crossing(after[np.arange(runs) % number], likely, middle)


def fitting_limit(expected: Expected, level: float, most: float, seed: tuple[int, ...]) -> float | None:
    """About the least limit with which 90 % of the challengers that are as good pass within ``most`` observations.

    :return: None if there is none.
    """
    effects, least = _dependence(expected, most, seed, worse=False)
    needed = (-math.log(level) * float(np.median(effects)) + _PRICE) * _SLOW
    low, high = expected.limit, _HIGHEST
    if most < least or most * _growth(expected, high, worse=False) < needed:
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        enough = most * _growth(expected, middle, worse=False) >= needed
        low, high = (low, middle) if enough else (middle, high)
    return high


def _run(expected: Expected, threshold: float, likely: float, seed: tuple[int, ...], *, worse: bool) -> float:
    """After how many observations one run crosses; a run that is not long enough starts again and goes on longer."""
    length = min(LONGEST, math.ceil(2.0 * likely) + 100)
    while True:
        path = _path(expected, _Draw.of(expected, length, seed, worse=worse), worse=worse)
        crossed = np.flatnonzero(path >= threshold)
        if len(crossed):
            return float(crossed[0] + 1)
        if length >= LONGEST:
            return math.inf
        length = min(LONGEST, 4 * length)


@dataclass(frozen=True)
class _Draw:
    """Random observations: the outcome, or the difference of the two; and of whom, where only one answers."""

    y: Floats
    mine: Flags

    @classmethod
    def of(cls, expected: Expected, length: int, seed: tuple[int, ...], *, worse: bool) -> _Draw:
        """A longer draw from the same seed begins with the shorter one."""
        places, others, chances, differs = (
            np.random.default_rng((*seed, each)).random(length) for each in range(4)
        )
        size = len(expected.champion.outcomes)
        first = (places * size).astype(np.int64)
        arm = expected.worse if worse else expected.same
        if expected.randomized:
            mine = differs < expected.share
            y = np.where(mine, arm.draw(first, chances), expected.champion.draw(first, chances))
            return cls(y, mine)
        everything = np.ones(length, dtype=np.bool_)
        if not expected.compares:
            return cls(arm.draw(first, chances), everything)
        second = np.where(differs < expected.differ, (others * size).astype(np.int64), first)
        return cls(arm.draw(second, chances) - expected.champion.draw(first, chances), everything)


def _path(expected: Expected, draw: _Draw, *, worse: bool) -> Floats:
    """Log capital against "good enough", or against "not good enough"."""
    if expected.randomized:
        return randomized.log_path(draw.y, draw.mine, expected.limit, expected.share, above=worse)
    low = -1.0 if expected.compares else 0.0
    if worse:
        return betting.log_path(draw.y, expected.limit, low)
    return betting.log_path(-draw.y, -expected.limit, -1.0)


def _growth(expected: Expected, limit: float, *, worse: bool) -> float:
    """Log capital that the best bet wins per observation, by the distribution that observations are drawn from.

    Kelly: the capital of the best bet grows at this rate in the end.
    """
    evidence = _distribution(expected, worse=worse)
    return float((evidence.above(limit) if worse else evidence.below(limit)).max())


def _distribution(expected: Expected, *, worse: bool) -> Evidence:
    """Evidence of one observation: of each outcome there is as much as its probability."""
    arm = expected.worse if worse else expected.same
    if expected.randomized:
        counts = np.zeros((len(LEVELS), 2, UNIT.size))
        mean = (1.0 - expected.share) * expected.champion.mean + expected.share * arm.mean
        level = int(np.argmin(np.abs(np.log(LEVELS) - math.log(max(mean, LEVELS[0])))))
        counts[level] = (1.0 - expected.share) * _cells(expected.champion), expected.share * _cells(arm)
        return TwoArms(counts.reshape(-1, UNIT.size), expected.share)
    if not expected.compares:
        return OneSample(UNIT.values, _cells(arm), UNIT.low, UNIT.high)
    return OneSample(DIFFERENCE.values, _differences(expected, arm), DIFFERENCE.low, DIFFERENCE.high)


def _differences(expected: Expected, arm: Arm) -> Floats:
    """The probability of each difference: of two outcomes of one request, and of any two."""
    alike = arm.outcomes - expected.champion.outcomes
    one = 1.0 - expected.champion.outcomes
    same = (1.0 - arm.flipped) * DIFFERENCE.counts(alike)[0] + arm.flipped * DIFFERENCE.counts(one)[0]
    other = np.zeros(DIFFERENCE.size)
    other[:: DIFFERENCE.steps // (2 * UNIT.steps)] = np.convolve(_cells(arm), _cells(expected.champion)[::-1])
    return np.asarray((1.0 - expected.differ) / len(alike) * same + expected.differ * other, dtype=np.float64)


def _cells(arm: Arm) -> Floats:
    """The probability of each cell of the unit grid."""
    found = (1.0 - arm.flipped) * UNIT.counts(arm.outcomes)[0] / len(arm.outcomes)
    found[-1] += arm.flipped
    return np.asarray(found, dtype=np.float64)


def _dependence(
    expected: Expected, likely: float, seed: tuple[int, ...], *, worse: bool
) -> tuple[Floats, float]:
    """Design effects that the judge may find by then, and the observations of enough keys to pass."""
    size = len(expected.keys)
    length = int(min(max(likely, 1.0), size))
    starts = np.random.default_rng((*seed, 1)).integers(0, size - length + 1, size=_PROBES)
    probes = [
        _probe(expected, int(start), length, (*seed, 1, number), worse=worse)
        for number, start in enumerate(starts)
    ]
    effects = np.array([effect for effect, _ in probes])
    per_key = float(np.median([weight for _, weight in probes]))
    arm = min(expected.share, 1.0 - expected.share) if expected.randomized else 1.0
    return effects, LEAST_KEYS * per_key / arm


def _probe(
    expected: Expected, start: int, length: int, seed: tuple[int, ...], *, worse: bool
) -> tuple[float, float]:
    """Design effect of neighbouring observations, and how many of them a key has where they are."""
    part = slice(start, start + length)
    own = expected.champion.outcomes[part]
    bucket = bucket_of(expected.keys[part])
    by_key = Clusters(1)
    by_key.add(own, bucket)
    in_time = 1.0
    if not expected.randomized:
        # what both answer: the champion's bad minutes are no difference, but chance looks like some dependence
        y = own if not expected.compares else _Draw.of(expected, length, seed, worse=worse).y
        moments = Moments()
        moments.add(y, expected.elapsed[part] - expected.elapsed[start])
        in_time = moments.design_effect
    return max(1.0, by_key.design_effect + in_time - 1.0), length / max(by_key.effective, 1.0)
