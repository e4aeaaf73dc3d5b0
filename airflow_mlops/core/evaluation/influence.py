"""What each row does to a metric: its influence, the derivative of the metric by the row's weight.

Hampel, "The influence curve and its role in robust estimation", JASA 69, 1974. The sum of the squares of the
influences, added up within clusters of rows that belong together, is the variance of the metric (the infinitesimal
jackknife; Efron, "The Jackknife, the Bootstrap and Other Resampling Plans", 1982, chapter 6), with one sort of the
rows instead of hundreds of draws. For the AUC this is DeLong's variance (DeLong et al., Biometrics 44, 1988), in the
clustered form Obuchowski's ("Nonparametric analysis of clustered ROC curve data", Biometrics 53, 1997).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_THRESHOLD = 0.5

#: A share lies in 0 to 1; a loss is positive, and skewed to the right.
Kind = Literal["share", "loss"]


@dataclass(frozen=True)
class Influences:
    """A quantity, and what each row does to it.

    :param value: the quantity itself; a metric may be a function of it, see
        :mod:`~airflow_mlops.core.evaluation.intervals`.
    :param rows: influence of each row; they add up to 0.
    :param counted: rows that the quantity is about, e.g. the positives for recall.
    """

    kind: Kind
    value: float
    rows: Floats
    counted: NDArray[np.bool_]


def influences(name: str, labels: Floats, scores: Floats) -> Influences | None:
    """The influences on metric ``name``; None where it is not defined for these rows, as in
    :func:`~airflow_mlops.core.evaluation.metrics.measure_one`.

    ``f1`` is given as ``TP / (TP + FP + FN)``, ``rmse`` as the mean square, ``r2`` as its distance from 1.
    """
    if not len(labels) or not np.isfinite(scores).all():
        return None
    if name in ("auc", "average_precision"):
        if not 0 < labels.mean() < 1:
            return None
        return _auc(labels, scores) if name == "auc" else _average_precision(labels, scores)
    if name == "r2":
        errors, spread = (labels - scores) ** 2, (labels - labels.mean()) ** 2
        return _ratio("loss", errors, spread)
    ones = np.ones(len(labels))
    if name in LOSSES:
        return _ratio("loss", LOSSES[name](labels, scores), ones)
    yes, positive = scores >= _THRESHOLD, labels == 1.0
    of = {"accuracy": ones > 0, "precision": yes, "recall": positive, "f1": yes | positive}[name]
    right = (yes == positive) if name == "accuracy" else yes & positive
    return _ratio("share", right.astype(np.float64), of.astype(np.float64))


def log_losses(labels: Floats, scores: Floats) -> Floats:
    """The log loss of each row, clipped as scikit-learn does it."""
    tiny = np.finfo(np.float64).eps
    right = np.clip(np.where(labels > 0, scores, 1 - scores), tiny, 1 - tiny)
    return np.asarray(-np.log(right))


def _squares(labels: Floats, scores: Floats) -> Floats:
    return np.asarray((labels - scores) ** 2)


def _distances(labels: Floats, scores: Floats) -> Floats:
    return np.asarray(np.abs(labels - scores))


#: Metrics that are a mean over rows, or (rmse) the root of one.
LOSSES = {"log_loss": log_losses, "brier": _squares, "rmse": _squares, "mae": _distances}


def _ratio(kind: Kind, above: Floats, below: Floats) -> Influences | None:
    """Of the ratio of two sums (Cochran, "Sampling Techniques", 1977, section 6.3)."""
    total = float(below.sum())
    if total <= 0:
        return None
    value = float(above.sum()) / total
    return Influences(kind, value, (above - value * below) / total, below > 0)


def _auc(labels: Floats, scores: Floats) -> Influences:
    positive = labels == 1.0
    _, place = np.unique(scores, return_inverse=True)
    hits, misses = (
        np.bincount(place, weights=one, minlength=place.max() + 1) for one in (positive, ~positive)
    )
    below = np.cumsum(misses) - misses / 2  # negatives below each score, ties half
    above = hits.sum() - np.cumsum(hits) + hits / 2
    beaten, beating = below[place] / misses.sum(), above[place] / hits.sum()
    value = float(beaten[positive].mean())
    rows = np.where(positive, (beaten - value) / hits.sum(), (beating - value) / misses.sum())
    return Influences("share", value, rows, np.ones(len(labels), dtype=bool))


def _average_precision(labels: Floats, scores: Floats) -> Influences:
    """By the product rule: a row moves the precision of all cuts at and below its score, and its own share of hits."""
    positive = labels == 1.0
    _, place = np.unique(-scores, return_inverse=True)  # from the highest score down
    hits = np.bincount(place, weights=positive, minlength=place.max() + 1)
    taken = np.cumsum(np.bincount(place)).astype(np.float64)
    precision = np.cumsum(hits) / taken
    total = hits.sum()
    value = float((hits * precision).sum() / total)
    gained = np.cumsum((hits / taken)[::-1])[::-1][place]
    lost = np.cumsum((hits * precision / taken)[::-1])[::-1][place]
    rows = (positive * (precision[place] - value + gained) - lost) / total
    return Influences("share", value, rows, np.ones(len(labels), dtype=bool))
