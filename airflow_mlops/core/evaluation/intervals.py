"""95 % intervals of all metrics at once, for rows that come in clusters: several rows of a request, hours of one day.

The variance of a metric is that of the sums of its influences over clusters
(:mod:`~airflow_mlops.core.evaluation.influence`). Where rows can be clustered in more than one way, the one that says
least counts. The intervals are

- of shares (accuracy, precision, recall, AUC, average precision) Wilson's, with the number of rows that would have this
  variance if they were independent, and Student's t for the clusters (Korn & Graubard, "Confidence intervals for
  proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24, 1998;
  for the AUC Newcombe, Statistics in Medicine 25, 2006). They are right at 0 and at 1, too;
- of ``f1`` that of ``TP / (TP + FP + FN)``, of which it is a rising function (Hand et al., "F*: an interpretable
  transformation of the F-measure", Machine Learning 110, 2021);
- of losses symmetric on the scale of logarithms, because means of losses are skewed;
- of the calibration error one for a sum of absolute values, which noise alone makes larger
  (:func:`_calibration_interval`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.evaluation.influence import Influences, influences
from airflow_mlops.core.evaluation.metrics import known_metrics, mass_bins, measure_one

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

_TAIL = 0.025
_DRAWS = 2000
#: Fewer clusters than this say nothing of how much they differ.
_LEAST_CLUSTERS = 5


@dataclass(frozen=True)
class Interval:
    """A metric with its 95 % interval; None where none can be given."""

    value: float
    low: float | None = None
    high: float | None = None


def measure_with_intervals(
    objective: str, labels: Floats, scores: Floats, clusters: Sequence[Codes] = ()
) -> dict[str, Interval]:
    """All metrics that are defined for these rows, with 95 % intervals. The same rows give the same numbers.

    :param clusters: ways to cluster the rows, each a number from 0 for each row; independent rows without any.
    """
    ways = list(clusters) or [np.arange(len(labels))]
    found = {name: _interval(name, labels, scores, ways) for name in known_metrics(objective)}
    return {name: one for name, one in found.items() if one is not None and math.isfinite(one.value)}


def _interval(name: str, labels: Floats, scores: Floats, ways: Sequence[Codes]) -> Interval | None:
    if name == "calibration_error":
        value = measure_one(name, labels, scores)
        return None if value is None else _calibration_interval(value, labels, scores, ways)
    effect = influences(name, labels, scores)
    if effect is None:
        return None
    value = _metric_of(name, effect.value)
    spread = max((_spread(effect, way) for way in ways), key=lambda one: one.half)
    if not math.isfinite(spread.half):
        return Interval(value)
    ends = _of_share(effect, spread) if effect.kind == "share" else _of_loss(effect, spread)
    if ends is None:
        return Interval(value)
    low, high = (_metric_of(name, end) for end in ends)
    return Interval(value, min(low, high, value), max(low, high, value))


@dataclass(frozen=True)
class _Spread:
    """Variance of a quantity and the quantile that goes with it, from one way to cluster."""

    variance: float
    quantile: float
    clusters: int

    @property
    def half(self) -> float:
        return self.quantile * math.sqrt(self.variance) if math.isfinite(self.quantile) else math.inf


def _spread(effect: Influences, way: Codes) -> _Spread:
    sums = np.bincount(way, weights=effect.rows)
    used = len(np.unique(way[effect.counted]))
    if used < _LEAST_CLUSTERS:
        return _Spread(0.0, math.inf, used)
    return _Spread(float((sums**2).sum()) * used / (used - 1), _students_t(used - 1), used)


def _of_share(effect: Influences, spread: _Spread) -> tuple[float, float]:
    """Wilson's interval for as many independent rows as have this variance."""
    share = effect.value
    noise = share * (1 - share)
    rows = noise / spread.variance if spread.variance > 0 and noise > 0 else float(spread.clusters)
    weight = spread.quantile**2 / rows
    middle = share + weight / 2
    half = spread.quantile * math.sqrt(noise / rows + weight / (4 * rows))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def _of_loss(effect: Influences, spread: _Spread) -> tuple[float, float] | None:
    """Symmetric for the logarithm; None for a loss without any spread, which says nothing of other rows."""
    if effect.value <= 0 or spread.variance <= 0:
        return None
    factor = math.exp(min(spread.half / effect.value, 700.0))
    return effect.value / factor, effect.value * factor


def _metric_of(name: str, quantity: float) -> float:
    if name == "f1":
        return 2 * quantity / (1 + quantity)
    if name == "rmse":
        return math.sqrt(quantity)
    return 1 - quantity if name == "r2" else quantity


def _calibration_interval(value: float, labels: Floats, scores: Floats, ways: Sequence[Codes]) -> Interval:
    """From the value less all that noise may have added, to the value and its spread upward.

    Noise makes each absolute gap larger on average. By the triangle inequality the sum of the true gaps is at least the
    measured sum less that of the noise, whose 97.5 % quantile is taken off; the value itself is too high rather than
    too low, so nothing is added for a bias upward. Draws come from the normal distribution with the covariance of the
    gaps over clusters.
    """
    bins = mass_bins(scores)
    gaps = np.bincount(bins, weights=scores - labels) / len(labels)
    if min(int(way.max()) + 1 for way in ways) < _LEAST_CLUSTERS:
        return Interval(value)
    root = max(
        (_root(labels, scores, bins, gaps, way) for way in ways), key=lambda one: float((one**2).sum())
    )
    noise = np.random.default_rng(0).standard_normal((_DRAWS, root.shape[0])) @ root
    low = value - float(np.quantile(np.abs(noise).sum(axis=1), 1 - _TAIL))
    middle, above = np.quantile(np.abs(gaps + noise).sum(axis=1), (0.5, 1 - _TAIL))
    return Interval(value, max(0.0, low), value + float(above - middle))


def _root(labels: Floats, scores: Floats, bins: Codes, gaps: Floats, way: Codes) -> Floats:
    """A matrix whose square is the covariance of the gaps."""
    width, count = len(gaps), int(way.max()) + 1
    cells = way * width + bins
    sums = np.bincount(cells, weights=scores - labels, minlength=count * width).reshape(count, width)
    sizes = np.bincount(way, minlength=count)
    each = (sums - sizes[:, None] * gaps) / len(labels)
    values, vectors = np.linalg.eigh(each.T @ each * count / (count - 1))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T)


def _students_t(degrees: int) -> float:
    from scipy.stats import t

    return float(t.ppf(1 - _TAIL, degrees))
