"""What a binary classifier's metrics will be once labels come, estimated from its scores alone.

Confidence-based performance estimation (CBPE; NannyML, "Estimation of performance of the monitored model"): with the
calibrated probability p of each row the expected confusion matrix is known, as if the row were p positives and
1 - p negatives, and with it every metric. It holds as long as a score comes true as often as it did on the held-out
rows: the inputs may change, what they mean may not. Concept drift can't be seen this way.

Why not the alternatives: the average threshold confidence (Garg et al., "Leveraging unlabeled data to predict
out-of-distribution performance", ICLR 2022) and the difference of confidences (Guillory et al., "Predicting with
confidence on unseen distributions", ICCV 2021) estimate accuracy alone, and know no more than CBPE does.

The interval is that of what will be measured on these rows: labels are drawn by the probabilities, with another map
and another shift of the period in each draw (:mod:`~airflow_mlops.core.monitoring.estimation.calibration`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.evaluation.influence import log_losses
from airflow_mlops.core.evaluation.intervals import Interval
from airflow_mlops.core.evaluation.metrics import mass_bins
from airflow_mlops.core.monitoring.estimation.calibration import Calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

_BINS = 960  # a multiple of the bins of the calibration error
_THRESHOLD = 0.5
#: Of the draws, on either side: the map comes from about 30 blocks of time, of which 95 % are those of Student's t.
_TAIL = 0.02
#: Share of the draws in which a metric has to be defined.
_DEFINED = 0.95


@dataclass(frozen=True)
class Masses:
    """Rows by rising score, as masses of positives and negatives at each; the last axis is that of the scores.

    :param hits, misses: masses of positives and negatives; of one world, or worlds x scores.
    :param if_hit, if_miss: mean log loss and squared error (2 x scores) of a positive and of a negative row.
    :param own: for masses of single rows the sum of hits x misses, as no row is a pair with itself.
    """

    hits: Floats
    misses: Floats
    yes: NDArray[np.bool_]
    if_hit: Floats
    if_miss: Floats
    own: float = 0.0

    def metrics(self) -> dict[str, Floats]:
        """The metrics of each world, NaN where one is not defined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return {**self._ranking(), **self._losses(), **self._answers()}

    def _answers(self) -> dict[str, Floats]:
        hits, rows = self.hits.sum(axis=-1), (self.hits + self.misses).sum(axis=-1)
        found = self.hits[..., self.yes].sum(axis=-1)
        false = self.misses[..., self.yes].sum(axis=-1)
        return {
            "accuracy": (found + rows - hits - false) / rows,
            "precision": found / (found + false),
            "recall": found / hits,
            "f1": 2 * found / (found + false + hits),
        }

    def _losses(self) -> dict[str, Floats]:
        rows = (self.hits + self.misses).sum(axis=-1)
        log_loss, brier = (
            (self.hits @ self.if_hit[place] + self.misses @ self.if_miss[place]) / rows for place in (0, 1)
        )
        return {"log_loss": log_loss, "brier": brier}

    def _ranking(self) -> dict[str, Floats]:
        hits, misses = self.hits.sum(axis=-1), self.misses.sum(axis=-1)
        beaten = (self.hits * (np.cumsum(self.misses, axis=-1) - self.misses / 2)).sum(axis=-1)
        down, all_down = self.hits[..., ::-1], (self.hits + self.misses)[..., ::-1]
        taken = np.cumsum(all_down, axis=-1)
        precision = np.where(taken > 0, np.cumsum(down, axis=-1) / taken, 0.0)
        return {
            "auc": (beaten - self.own / 2) / (hits * misses - self.own),
            "average_precision": (down * precision).sum(axis=-1) / hits,
        }


def estimate(scores: Floats, calibration: Calibration) -> dict[str, Interval]:
    """The metrics to expect of rows with these scores, with 95 % intervals of what will be measured on them.

    The calibration error is the one that will be measured, its noise included. The same scores give the same numbers.
    """
    if not len(scores):
        return {}
    expected = expected_metrics(scores, calibration.probabilities(scores))
    drawn = _drawn_metrics(scores, calibration)
    expected["calibration_error"] = float(drawn["calibration_error"].mean())
    found = {name: _interval(value, drawn[name]) for name, value in expected.items() if np.isfinite(value)}
    return {name: one for name, one in found.items() if one is not None}


def expected_metrics(scores: Floats, probabilities: Floats) -> dict[str, float]:
    """The metrics of the expected confusion matrix: each row is ``p`` positives and ``1 - p`` negatives."""
    own = float((probabilities * (1 - probabilities)).sum())
    distinct, places = np.unique(scores, return_inverse=True)
    hits, misses = (
        np.bincount(places, weights=one).astype(np.float64) for one in (probabilities, 1 - probabilities)
    )
    found = _masses(distinct, hits, misses, own=own).metrics()
    return {name: float(value) for name, value in found.items()}


def _masses(scores: Floats, hits: Floats, misses: Floats, *, own: float = 0.0) -> Masses:
    return Masses(hits, misses, scores >= _THRESHOLD, _if(1.0, scores), _if(0.0, scores), own)


def _if(label: float, scores: Floats) -> Floats:
    """Log loss and squared error if all labels are the same."""
    labels = np.full(len(scores), label)
    return np.stack([log_losses(labels, scores), (labels - scores) ** 2])


def _drawn_metrics(scores: Floats, calibration: Calibration) -> dict[str, Floats]:
    """The metrics in worlds with labels: rows of nearly the same score draw theirs together."""
    edges = np.unique([*np.quantile(scores, np.linspace(0, 1, _BINS + 1)[1:-1]), _THRESHOLD])
    _, places = np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)
    rows = np.bincount(places)
    middles = np.bincount(places, weights=scores) / rows
    hits = np.random.default_rng(2).binomial(rows, calibration.drawn(middles)).astype(np.float64)
    hit, miss = (_means(_if(label, scores), places, rows) for label in (1.0, 0.0))
    found = Masses(hits, rows - hits, middles >= _THRESHOLD, hit, miss).metrics()
    bins = np.zeros(len(rows), dtype=np.int64)
    bins[places] = mass_bins(scores)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    gaps = np.add.reduceat(middles * rows - hits, starts, axis=1)
    return {**found, "calibration_error": np.abs(gaps).sum(axis=1) / len(scores)}


def _means(values: Floats, places: Codes, rows: Codes) -> Floats:
    return np.stack([np.bincount(places, weights=one) / rows for one in values])


def _interval(value: float, drawn: Floats) -> Interval | None:
    known = drawn[np.isfinite(drawn)]
    if len(known) < _DEFINED * len(drawn):
        return None
    low, high = np.quantile(known, (_TAIL, 1 - _TAIL))
    return Interval(value, min(float(low), value), max(float(high), value))
