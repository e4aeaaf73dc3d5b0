"""What one gate will see of a challenger that is as good as the champion, and of one that is worse."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import Flags, Floats, Hashes, Indices
from airflow_mlops.core.rollout.outcomes import change, latency_of, outcome, unit_of
from airflow_mlops.core.rollout.past_traffic import PastTraffic
from airflow_mlops.core.rollout.quantile import WARM_UP
from airflow_mlops.core.rollout.scales import Objective, Scale, quantile_of, scale_of
from airflow_mlops.core.rollout.slices import rows_in
from airflow_mlops.core.rollout.state import GateState
from airflow_mlops.core.rollout.table import Table

#: Of the room that is left above the champion's level, the part that a change takes up at most where none is asked for.
_LARGEST = 0.9


@dataclass(frozen=True)
class Arm:
    """Outcomes of a variant, one per captured request or row.

    :param flipped: the share of its outcomes that is 1 whatever stands there.
    """

    outcomes: Floats
    flipped: float = 0.0

    def draw(self, places: Indices, chances: Floats) -> Floats:
        """The outcomes at some places. :param chances: uniform in [0, 1), one for each."""
        found = self.outcomes[places]
        return np.where(chances < self.flipped, 1.0, found) if self.flipped else found

    @property
    def mean(self) -> float:
        """Of what is drawn."""
        mean = float(self.outcomes.mean())
        return mean + self.flipped * (1.0 - mean)


@dataclass(frozen=True)
class Expected:
    """One gate, with what is known about it from the champion's traffic.

    :param paired: whether both variants answer the same requests; ``share``: the challenger's, where not.
    :param champion: its outcomes; ``same``: of a challenger that is as good; ``worse``: of one that is worse.
    :param limit: the largest mean (or difference) that is good enough.
    :param differ: the share of the pairs in which a challenger that is as good has an outcome of its own.
    :param keys: of each outcome; ``elapsed``: its time, in seconds.
    :param per_request: usable outcomes per live request.
    :param delay: seconds until an outcome is known.
    :param warm_up: observations before the first that counts.
    :param level: the champion's, in the metric's unit; ``change``: how much worse than that the other one is.
    """

    gate: Gate
    paired: bool
    compares: bool
    share: float
    limit: float
    champion: Arm
    same: Arm
    worse: Arm
    differ: float
    keys: Hashes
    elapsed: Floats
    per_request: float
    delay: float
    warm_up: float
    level: float
    change: float

    def excess(self, *, worse: bool) -> float:
        """How far a challenger's mean (or the difference) lies beyond the limit; below 0 where it is good enough."""
        mean = self.worse.mean if worse else self.same.mean
        return mean - (self.champion.mean if self.compares else 0.0) - self.limit

    @property
    def randomized(self) -> bool:
        """Whether each outcome is of one variant or the other, and not of both."""
        return self.compares and not self.paired


def expect(
    gate: Gate,
    objective: Objective,
    traffic: PastTraffic,
    *,
    paired: bool,
    share: float,
    differ: float,
    detect: float | None,
) -> Expected | str:
    """What a gate will see; where that can't be told, why not.

    :param share: the challenger's share of the requests, in (0, 1).
    :param differ: share of the rows on which a challenger that is as good answers otherwise.
    :param detect: by how much the other challenger is worse, in the metric's unit; None for as far beyond the limit as
        one that is as good lies below it.
    :raises SpecError: if nothing can be that much worse.
    """
    scale = scale_of(gate, objective)
    state = GateState(gate, scale, paired=paired, share=share)
    table = _observed(gate, scale, traffic)
    if isinstance(table, str):
        return table
    found = _latency(gate, table, detect) if scale.kind == "latency_quantile" else None
    if found is None:
        found = _outcomes(gate, scale, table, differ, detect)
    if isinstance(found, str):
        return found
    arms, level, more, kept = found
    unit = unit_of(scale)
    champion, same, worse = arms
    return Expected(
        gate=gate,
        paired=paired,
        compares=state.compares,
        share=share,
        limit=state.limit,
        champion=champion,
        same=same,
        worse=worse,
        # what fails or is slow by chance does so for each variant by itself
        differ=differ if unit == "label" else 1.0,
        keys=table["key"][kept],
        elapsed=table["elapsed"][kept],
        per_request=_per_request(unit, traffic, int(kept.sum())),
        delay=traffic.delay[0] if unit == "label" and traffic.delay else 0.0,
        warm_up=_warm_up(gate, 0.0 if paired else share),
        level=level,
        change=more,
    )


_Found = tuple[tuple[Arm, Arm, Arm], float, float, Flags]


def _observed(gate: Gate, scale: Scale, traffic: PastTraffic) -> Table | str:
    """The champion's answers (or rows) that the gate is about."""
    unit = unit_of(scale)
    table = {"request": traffic.requests, "row": traffic.rows, "label": traffic.labelled}[unit]
    if unit == "label" and not table.rows:
        return "no ground truth in the captured traffic"
    chosen = rows_in(gate, table, traffic.codes)
    table = table.take(~table["refused"] if chosen is None else ~table["refused"] & chosen)
    return table if table.rows else "no captured request that it could judge"


def _per_request(unit: str, traffic: PastTraffic, usable: int) -> float:
    """Usable outcomes per live request, also of those whose truth is still to come."""
    found = usable / traffic.requests.rows
    if unit != "label":
        return found
    return found * traffic.label_share * traffic.rows.rows / traffic.labelled.rows


def _warm_up(gate: Gate, share: float) -> float:
    """Before the champion's latency quantile is known, nothing is compared with it."""
    learns = gate.metric == "latency_quantile" and gate.margin is not None
    return WARM_UP / (1.0 - share) if learns else 0.0


def _outcomes(gate: Gate, scale: Scale, table: Table, differ: float, detect: float | None) -> _Found | str:
    y = _against_itself(scale, table, differ) if unit_of(scale) == "row" else outcome(gate, scale, table)
    kept = np.isfinite(y)
    y = y[kept]
    if not len(y):
        return "no captured request that it could judge"
    mean = float(y.mean())
    level = scale.low + scale.span * mean
    more = _asked(gate, scale, mean, detect)
    part = more / scale.span / (1.0 - mean) if mean < 1.0 else 0.0
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    worse = Arm(y, part) if binary else Arm(y + part * (1.0 - y))
    return (Arm(y), Arm(y), worse), 1.0 - level if scale.kind == "accuracy" else level, more, kept


def _against_itself(scale: Scale, table: Table, differ: float) -> Floats:
    """Distance of two answers to a row, where a share of them is as that to any other row."""
    guess = table["prediction"]
    rng = np.random.default_rng(0)
    other = np.where(rng.random(len(guess)) < differ, rng.permutation(guess), guess)
    return change(scale, Table({"prediction": other, "champion:prediction": guess}))


def _asked(gate: Gate, scale: Scale, mean: float, detect: float | None) -> float:
    """How much worse, in the metric's unit."""
    room = (1.0 - mean) * scale.span
    if detect is not None:
        own = scale.span * mean if scale.kind in ("disagreement", "score_shift") else 0.0
        if not own < detect <= room + own:
            raise SpecError(
                f"--detect: no challenger can be that much worse in {gate.name}",
                given=detect,
                expected=f"more than {own:.4g} and at most {room + own:.4g}",
            )
        return detect - own
    level = scale.low + scale.span * mean
    if gate.margin is not None:
        wanted = 2.0 * gate.margin
    else:
        limit = gate.max if gate.max is not None else 1.0 - float(gate.min or 0.0)
        wanted = 2.0 * (float(limit) - level)
    return min(wanted if wanted > 0.0 else max(level, 0.01 * scale.span), _LARGEST * room)


def _latency(gate: Gate, table: Table, detect: float | None) -> _Found | str:
    """For a latency quantile: who is beyond the champion's level, or beyond the limit; the worse one is slower."""
    latency = latency_of(table)
    kept = ~np.isnan(latency)
    latency = latency[kept]
    if not len(latency):
        return "no captured request with a latency"
    quantile = quantile_of(gate)
    level = float(np.quantile(latency, quantile, method="inverted_cdf"))
    if not math.isfinite(level):
        return f"more than {1 - quantile:.2g} of the champion's requests have no answer, so it has no such latency"
    wanted = 2.0 * (gate.margin if gate.margin is not None else float(gate.max or 0.0) - level)
    slower = detect if detect is not None else wanted if wanted > 0.0 else level
    top = float(gate.max) if gate.max is not None else level + float(gate.margin or 0.0)
    arms = (latency > level, latency > top, latency + slower > top)
    champion, same, worse = (Arm(one.astype(np.float64)) for one in arms)
    return (champion, same, worse), level, slower, kept
