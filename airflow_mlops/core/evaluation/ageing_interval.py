"""How often to retrain: from the scores of an aged and a fresh model in each period, with how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.metrics import measure_one
from airflow_mlops.core.gates import HIGHER_IS_BETTER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DRAWS = 200
#: Blocks of time in a period: rows of a day share its weather, so days are drawn, not rows.
BLOCKS = 30
#: Fewer blocks than this say too little about how they differ: then each row is one.
_MIN_BLOCKS = 10
#: Share of the drawn curves that have to cross the tolerance.
_SURE = 0.95


@dataclass(frozen=True)
class Scored:
    """One later period, scored.

    :param age: days between the end of the training and the start of the period.
    :param blocks: number of the block of time of each row, rising.
    :param fresh: scores of a model that was trained until the period starts, None where none was made.
    """

    start: datetime
    end: datetime
    age: float
    labels: NDArray[np.float64]
    aged: NDArray[np.float64]
    fresh: NDArray[np.float64] | None
    blocks: NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """The metric of one period: as it is, and of each bootstrap draw (NaN where it is not defined).

    :param fresh, fresh_draws: None without a fresh model.
    """

    age: float
    rows: int
    value: float
    draws: NDArray[np.float64]
    fresh: float | None
    fresh_draws: NDArray[np.float64] | None


@dataclass(frozen=True)
class Interval:
    """A suggested retraining interval in days, None when there is none.

    :param earliest, latest: 95 % interval; None beyond the data.
    """

    days: float | None
    earliest: float | None
    latest: float | None
    reason: str


def draw(metric: str, period: Scored, seed: int) -> Drawn | None:
    """Measure a period, and again on blocks of its time that are drawn with replacement, both models on the same draw.

    Carlstein, "The use of subseries values for estimating the variance of a general statistic from a stationary
    sequence", Annals of Statistics 14, 1986: blocks that don't overlap, here a 30th of the period.

    :returns: None if the metric is not defined for these rows.
    """
    import numpy as np

    value = measure_one(metric, period.labels, period.aged)
    fresh = None if period.fresh is None else measure_one(metric, period.labels, period.fresh)
    if value is None or (period.fresh is not None and fresh is None):
        return None
    random = np.random.default_rng(seed)
    blocks = _rows_of_blocks(period.blocks)
    chosen = [random.integers(0, len(blocks), len(blocks)) for _ in range(_DRAWS)]
    draws = _draws(metric, period.labels, period.aged, blocks, chosen)
    rival = None if period.fresh is None else _draws(metric, period.labels, period.fresh, blocks, chosen)
    return Drawn(period.age, len(period.labels), value, draws, fresh, rival)


def _draws(
    metric: str,
    labels: NDArray[np.float64],
    scores: NDArray[np.float64],
    blocks: Sequence[NDArray[np.int64]],
    chosen: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """The metric of each draw of blocks, NaN where it is not defined."""
    import numpy as np

    losses = _row_losses(metric, labels, scores)
    if losses is not None:  # a mean of rows needs the sums of the blocks only
        sums = np.array([losses[rows].sum() for rows in blocks])
        sizes = np.array([len(rows) for rows in blocks])
        means = np.array([sums[each].sum() / sizes[each].sum() for each in chosen])
        return np.sqrt(means) if metric == "rmse" else means
    drawn = np.full(len(chosen), np.nan)
    for number, each in enumerate(chosen):
        rows = np.concatenate([blocks[block] for block in each])
        found = measure_one(metric, labels[rows], scores[rows])
        drawn[number] = math.nan if found is None else found
    return drawn


def _row_losses(
    metric: str, labels: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """What each row adds to a metric that is a mean (rmse: the square of one), None for other metrics."""
    import numpy as np

    losses: NDArray[np.float64]
    if metric in ("brier", "rmse"):
        losses = np.square(labels - scores)
    elif metric == "mae":
        losses = np.abs(labels - scores)
    elif metric == "log_loss":
        tiny = np.finfo(np.float64).eps  # as scikit-learn's log_loss
        losses = -np.log(np.clip(np.where(labels > 0, scores, 1 - scores), tiny, 1 - tiny))
    else:
        return None
    return losses


def bounds(draws: NDArray[np.float64]) -> tuple[float, float] | None:
    """The 95 % percentile interval of the draws, None if hardly any is defined."""
    import numpy as np

    known = draws[np.isfinite(draws)]
    if len(known) < _DRAWS / 2:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def worse_by(metric: str, drawn: Drawn) -> NDArray[np.float64] | None:
    """By how much the aged model is worse than the fresh one in each draw, in the metric's unit."""
    if drawn.fresh_draws is None:
        return None
    return _sign(metric) * (drawn.draws - drawn.fresh_draws) + 0.0  # no "-0"


def retraining_interval(metric: str, drawn: Sequence[Drawn], tolerance: float) -> Interval:
    """The age at which a model is worse than a fresh one by more than ``tolerance``, as a share of the fresh one's.

    What ages is the gap between both: a hard month is as hard for a fresh model. A rising curve is fitted to the
    gaps by age (isotonic regression, weighted by rows); between two ages it is a straight line. The same is done to
    each bootstrap draw: only if 95 % of these curves cross the tolerance is an interval suggested.

    :param drawn: the periods, oldest first; those without a fresh model are ignored.
    """
    import numpy as np

    known = [one for one in drawn if one.fresh is not None and one.fresh_draws is not None]
    if len(known) < 2:
        return Interval(None, None, None, "only one period has a fresh model to compare with")
    ages = np.array([one.age for one in known])
    weights = np.array([one.rows for one in known], dtype=np.float64)
    values = np.array([_share(metric, one.value, one.fresh or 0.0) for one in known])
    point = _crossing(ages, values, weights, tolerance)
    draws = [
        _crossing(ages, np.array(curve), weights, tolerance)
        for curve in zip(*(_shares(metric, one) for one in known), strict=True)
        if np.isfinite(curve).all()
    ]
    crossed = float(np.mean(np.isfinite(draws))) if draws else 0.0
    alone = _alone(metric, known, tolerance)
    if math.isfinite(point) and crossed >= _SURE:
        low, high = np.quantile(np.array(draws), (0.025, 0.975), method="closest_observation")
        latest = float(high) if math.isfinite(high) else None
        return Interval(
            point, float(low), latest, _aged(metric, point, float(low), latest, tolerance) + alone
        )
    return Interval(None, None, None, _not_aged(metric, known, values, crossed, tolerance) + alone)


def _aged(metric: str, days: float, low: float, latest: float | None, tolerance: float) -> str:
    to = f"to {latest:.0f}" if latest is not None else "to beyond the data"
    return (
        f"{metric} is {tolerance:.3g} worse (relative) than that of a fresh model after {days:.0f} days "
        f"(95 % interval: {low:.0f} {to})"
    )


def _alone(metric: str, known: Sequence[Drawn], tolerance: float) -> str:
    """What single periods say: where they contradict one another, a season is at work rather than age."""
    import numpy as np

    found = [(one.age, bounds(np.array(_shares(metric, one)))) for one in known[1:]]
    worse = [age for age, both in found if both and both[0] > tolerance]
    better = [age for age, both in found if both and both[1] < 0]
    told = []
    if worse:
        told.append(
            f"{len(worse)} of {len(found)} surely worse by more than that, the first at {worse[0]:.0f} days"
        )
    if better:
        told.append(f"{len(better)} surely better than fresh, the first at {better[0]:.0f} days")
    return f"; periods taken alone: {'; '.join(told)}" if told else ""


def _not_aged(
    metric: str, known: Sequence[Drawn], values: NDArray[np.float64], crossed: float, tolerance: float
) -> str:
    until = f"{known[-1].age:.0f} days after the training"
    worst = int(values.argmax())
    seen = f"at most {values[worst]:.2%} worse than a fresh model, at {known[worst].age:.0f} days"
    if crossed > 1 - _SURE:
        return (
            f"not sure that {metric} got worse than a fresh model's by {tolerance:.3g} (relative) until {until}: "
            f"{crossed:.0%} of the drawn curves say so ({seen}); more data would tell"
        )
    return (
        f"{metric} did not get worse than a fresh model's by {tolerance:.3g} (relative) until {until}: {seen}"
    )


def _rows_of_blocks(blocks: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    import numpy as np

    rows = np.arange(len(blocks))
    cuts = np.flatnonzero(np.diff(blocks)) + 1
    if len(cuts) + 1 < _MIN_BLOCKS:
        cuts = rows[1:]
    return np.split(rows, cuts)


def _sign(metric: str) -> float:
    return -1.0 if metric in HIGHER_IS_BETTER else 1.0


def _share(metric: str, aged: float, fresh: float) -> float:
    """By which share of the fresh model's metric the aged one is worse."""
    return _sign(metric) * (aged - fresh) / abs(fresh) if fresh else 0.0


def _shares(metric: str, one: Drawn) -> list[float]:
    fresh = one.fresh_draws if one.fresh_draws is not None else one.draws
    return [_share(metric, float(a), float(f)) for a, f in zip(one.draws, fresh, strict=True)]


def _crossing(
    ages: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64], tolerance: float
) -> float:
    """The age at which the rising fit crosses the tolerance, infinite if it does not."""
    import numpy as np
    from sklearn.isotonic import isotonic_regression

    fit = np.asarray(isotonic_regression(values, sample_weight=weights), dtype=np.float64)
    above = np.flatnonzero(fit > tolerance)
    if not len(above):
        return math.inf
    after = int(above[0])
    if after == 0:
        return float(ages[0])
    before = after - 1
    part = (tolerance - fit[before]) / (fit[after] - fit[before])
    return float(ages[before] + part * (ages[after] - ages[before]))
