"""All that one gate has seen: constant memory, and the states of two parts of the traffic merge into one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import (
    Evidence,
    Flags,
    Floats,
    Indices,
    OneSample,
    lower_bound,
    mixed,
    upper_bound,
)
from airflow_mlops.core.rollout.cells import DIFFERENCE, UNIT, Counts, Grid
from airflow_mlops.core.rollout.clusters import Clusters, Moments, bucket_of
from airflow_mlops.core.rollout.outcomes import change, latency_of, outcome, unit_of
from airflow_mlops.core.rollout.quantile import Quantiles
from airflow_mlops.core.rollout.randomized import LEVELS, Level, TwoArms
from airflow_mlops.core.rollout.scales import Scale, quantile_of
from airflow_mlops.core.rollout.table import Table

#: With fewer observations nothing is said about how many more would decide.
_LEAST_TO_EXTRAPOLATE = 30
#: Nothing passes by the requests of fewer (effective) keys than this: they could all be the lucky ones.
LEAST_KEYS = 30


@dataclass(frozen=True)
class Finding:
    """What the observations say about a mean (or a difference) and its limit, all in [-1, 1].

    :param failed: whether it is surely above the limit.
    :param passed: whether it is surely below.
    :param lower: bound at the level of failing, valid at all times at once; ``upper`` at the level of passing.
    :param more: about how many more observations would decide, None if that can't be told or all is decided.
    :param design_effect: by which the evidence is tempered.
    """

    failed: bool
    passed: bool
    lower: float
    upper: float
    more: int | None
    design_effect: float


class GateState:
    """The evidence of one gate: counts per value, sums per cluster of keys and per moment.

    :param paired: whether both variants answered the same requests (shadow, replay).
    :param share: the challenger's share of the requests, in (0, 1), where they answered different ones.
    """

    def __init__(self, gate: Gate, scale: Scale, *, paired: bool, share: float = 0.5) -> None:
        self.gate, self.scale, self.paired, self.share = gate, scale, paired, share
        self.compares = gate.margin is not None
        self.limit = _limit(gate, scale)
        randomized = self.compares and not paired
        self._counts = Counts(self._grid, len(LEVELS) * 2 if randomized else 1)
        #: Number and sum of the outcomes of the champion and of the challenger.
        self.numbers, self.sums = np.zeros(2), np.zeros(2)
        self.keys = Clusters(2 if randomized else 1)
        self.moments = None if randomized else Moments()
        self.quantiles = (
            Quantiles(quantile_of(gate), gate.margin or 0.0) if scale.kind == "latency_quantile" else None
        )
        self._level = Level()

    def fold(self, table: Table) -> None:
        """Add observations, in the order in which they became known."""
        mine, theirs, kept = self._outcomes(table)
        table = table.take(kept)
        if self.compares and not self.paired:
            self._fold_arms(mine[kept], table)
            return
        y = mine[kept]
        self._sum(y, np.ones(len(y), dtype=np.int64))
        if self.compares and theirs is not None:
            self._sum(theirs[kept], np.zeros(len(y), dtype=np.int64))
            y = y - theirs[kept]
        self._counts.add(y)
        self.keys.add(y, bucket_of(table["key"]))
        if self.moments is not None:
            self.moments.add(y, table["elapsed"])

    def merge(self, other: GateState) -> None:
        """Add what ``other``, a state of the same gate and stage, has seen."""
        self._counts.merge(other._counts)
        self.numbers += other.numbers
        self.sums += other.sums
        self.keys.merge(other.keys)
        if self.moments is not None and other.moments is not None:
            self.moments.merge(other.moments)
        if self.quantiles is not None and other.quantiles is not None:
            self.quantiles.merge(other.quantiles)

    @property
    def counts(self) -> Floats:
        """Outcomes per cell; in canary also per level of the base rate and per variant."""
        return self._counts.dense()

    @property
    def limit_in_unit(self) -> float:
        """The limit in the unit of the gate's interval: its own, or for a latency quantile a share of requests."""
        if self.quantiles is not None:
            return self.limit
        return next(float(one) for one in (self.gate.margin, self.gate.max, self.gate.min) if one is not None)

    @property
    def samples(self) -> int:
        """How many of the challenger's requests (or rows) stand behind it."""
        return int(self.numbers[1])

    def mean(self, arm: int) -> float | None:
        """Mean outcome of the champion (0) or the challenger (1), in [0, 1]; None without any."""
        return float(self.sums[arm] / self.numbers[arm]) if self.numbers[arm] else None

    @property
    def design_effect(self) -> float:
        """By how much dependence raises the variance: of keys, and in time where no hash decides who answers.

        Both together after Cameron, Gelbach & Miller, "Robust inference with multiway clustering", JBES 29, 2011.
        """
        in_time = self.moments.design_effect if self.moments is not None else 1.0
        return max(1.0, self.keys.design_effect + in_time - 1.0)

    def evidence(self) -> Evidence:
        """What can be bet on."""
        if self.compares and not self.paired:
            return TwoArms(self.counts, self.share)
        grid = self._grid
        return OneSample(grid.values, self.counts[0], grid.low, grid.high)

    def log_e_value(self) -> float:
        """Tempered log capital against "good enough": reaching log(1/alpha) fails the gate at level alpha."""
        return mixed(self.evidence().above(self.limit)) / self.design_effect

    def find(self, fail: float, accept: float) -> Finding:
        """Hold the evidence against the limit. :param fail: level of failing; ``accept``: of passing."""
        effect, evidence = self.design_effect, self.evidence()
        to_fail, to_pass = -math.log(fail) * effect, -math.log(accept) * effect
        worse, better = evidence.above(self.limit), evidence.below(self.limit)
        failed = mixed(worse) >= to_fail
        passed = not failed and mixed(better) >= to_pass and self.keys.effective >= LEAST_KEYS
        more = None if failed or passed else self._more((worse, to_fail), (better, to_pass))
        lower, upper = lower_bound(evidence, to_fail), upper_bound(evidence, to_pass)
        return Finding(failed, passed, lower, upper, more, effect)

    def _more(self, *tests: tuple[Floats, float]) -> int | None:
        """The challenger's requests until the nearer of two tests rejects, if things go on as they went.

        Kelly: the capital of the best bet grows at a constant rate.
        """
        if self.samples < _LEAST_TO_EXTRAPOLATE:
            return None
        rates = [(float(capitals.max()) / self.samples, capitals, threshold) for capitals, threshold in tests]
        times = [(threshold - mixed(capitals)) / rate for rate, capitals, threshold in rates if rate > 0.0]
        return max(1, math.ceil(min(times))) if times else None

    @property
    def _grid(self) -> Grid:
        return DIFFERENCE if self.compares and self.paired else UNIT

    def _fold_arms(self, y: Floats, table: Table) -> None:
        arm = table["mine"].astype(np.int64)
        self._sum(y, arm)
        group = self._level.follow(y) * 2 + arm
        self._counts.add(y, group)
        self.keys.add(y, bucket_of(table["key"]), arm)

    def _sum(self, y: Floats, arm: Indices) -> None:
        self.numbers += np.bincount(arm, minlength=2)
        self.sums += np.bincount(arm, weights=y, minlength=2)

    def _outcomes(self, table: Table) -> tuple[Floats, Floats | None, Flags]:
        """The challenger's outcomes (in canary: of whoever answered), the champion's in pairs, and what counts."""
        theirs = None
        if unit_of(self.scale) == "row":
            mine = change(self.scale, table)
        elif self.quantiles is not None:
            mine, theirs = self._beyond(table, self.quantiles)
        else:
            mine = outcome(self.gate, self.scale, table)
            theirs = outcome(self.gate, self.scale, table, "champion:") if self.paired else None
        # a request that the champion refused is the caller's fault; one that only the challenger refused is not
        kept = ~table["champion:refused" if self.paired else "refused"] & np.isfinite(mine)
        if not self.compares and not self.paired:
            kept &= table["mine"]
        if theirs is not None:
            kept &= np.isfinite(theirs)
        return mine, theirs, kept

    def _beyond(self, table: Table, quantiles: Quantiles) -> tuple[Floats, Floats | None]:
        """For a latency quantile: who is beyond the champion's level, or beyond the limit itself."""
        mine = latency_of(table)
        if not self.compares:
            slow = np.where(np.isnan(mine), np.nan, mine > (self.gate.max or 0.0))
            arm = np.ones(table.rows, dtype=np.bool_) if self.paired else table["mine"]
            quantiles.beyond(mine, arm)
            return slow, None
        if not self.paired:
            return quantiles.beyond(mine, table["mine"]), None
        both = np.stack([latency_of(table, "champion:"), mine], axis=1).ravel()
        beyond = quantiles.beyond(both, np.arange(len(both)) % 2 == 1).reshape(-1, 2)
        return beyond[:, 1], beyond[:, 0]


def _limit(gate: Gate, scale: Scale) -> float:
    """The largest mean outcome, or difference of the two, that is good enough."""
    if scale.kind == "latency_quantile":
        return 0.0 if gate.margin is not None else 1.0 - quantile_of(gate)
    if gate.margin is not None:
        return gate.margin / scale.span
    if scale.kind == "accuracy":
        return 1.0 - float(gate.min or 0.0)
    return (float(gate.max or 0.0) - scale.low) / scale.span
