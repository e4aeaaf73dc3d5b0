"""Metrics of predictions against labels. What is not defined for some rows is left out, never NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Objective = Literal["binary", "regression"]
Measure = Callable[["NDArray[np.float64]", "NDArray[np.float64]"], float]

_BINS = 15
_THRESHOLD = 0.5
_CLIP = 1e-6


def measure(objective: str, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> dict[str, float]:
    """All metrics of an objective that are defined for these rows.

    :param labels: 0 or 1 for ``binary``.
    :param scores: probabilities of 1 for ``binary``; ``accuracy``, ``precision``, ``recall`` and ``f1`` cut
        at 0.5.
    """
    found = {name: measure_one(name, labels, scores) for name in known_metrics(objective)}
    return {name: value for name, value in found.items() if value is not None}


def measure_one(name: str, labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float | None:
    """One metric, None where it is not defined: no rows, one class only for a ranking, no positives to find,
    ...

    Also None when a score is not finite: a broken prediction has no quality.
    """
    import numpy as np

    if len(labels) == 0 or not np.isfinite(scores).all():
        return None
    value = _MEASURES[name](labels, scores)
    return value if math.isfinite(value) else None


def known_metrics(objective: str) -> tuple[str, ...]:
    """Names of the metrics of an objective."""
    return _BINARY if objective == "binary" else _REGRESSION


def row_losses(
    objective: str, labels: NDArray[np.float64], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The loss of each row: log loss of scores clipped to [1e-6, 1 - 1e-6], or the squared error of a regression."""
    import numpy as np

    if objective != "binary":
        return np.asarray((scores - labels) ** 2, dtype=np.float64)
    sure = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.asarray(-np.where(labels == 1.0, np.log(sure), np.log1p(-sure)), dtype=np.float64)


def expected_losses(objective: str, scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """The log loss of each row to expect if its score is a true probability: the entropy; None for a regression."""
    import numpy as np

    if objective != "binary":
        return None
    sure = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.asarray(-sure * np.log(sure) - (1 - sure) * np.log1p(-sure), dtype=np.float64)


def mass_bins(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each row, of up to 15 with about equally many rows. Equal scores share a bin."""
    import numpy as np

    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1)[1:-1]))
    return np.searchsorted(edges, scores, side="right")


def calibration_error(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    """Expected calibration error over 15 bins of equal mass: mean distance of predicted and observed rate.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 3, with the equal-mass bins of
    Nixon et al., "Measuring Calibration in Deep Learning", 2019, which are less biased (Roelofs et al.,
    AISTATS 2022). Equal scores share a bin, so the order of rows does not matter.
    """
    import numpy as np

    gaps = np.bincount(mass_bins(scores), weights=scores - labels)
    return float(np.abs(gaps).sum() / len(labels))


def _auc(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores)) if _has_both(labels) else math.nan


def _average_precision(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, scores)) if _has_both(labels) else math.nan


def _log_loss(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import log_loss

    return float(log_loss(labels, scores, labels=[0.0, 1.0]))


def _brier(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import mean_squared_error

    # Brier 1950: the mean squared error of the probabilities; sklearn's own form wants both classes.
    return float(mean_squared_error(labels, scores))


def _accuracy(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, scores >= _THRESHOLD))


def _precision(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import precision_score

    return float(precision_score(labels, scores >= _THRESHOLD, zero_division=math.nan))


def _recall(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import recall_score

    return float(recall_score(labels, scores >= _THRESHOLD, zero_division=math.nan))


def _f1(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, scores >= _THRESHOLD, zero_division=math.nan))


def _rmse(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(labels, scores))


def _mae(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import mean_absolute_error

    return float(mean_absolute_error(labels, scores))


def _r2(labels: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    from sklearn.metrics import r2_score

    return float(r2_score(labels, scores)) if len(set(labels.tolist())) > 1 else math.nan


def _has_both(labels: NDArray[np.float64]) -> bool:
    return 0.0 < float(labels.mean()) < 1.0


_BINARY_MEASURES: dict[str, Measure] = {
    "auc": _auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier": _brier,
    "calibration_error": calibration_error,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "f1": _f1,
}
_REGRESSION_MEASURES: dict[str, Measure] = {"rmse": _rmse, "mae": _mae, "r2": _r2}
_MEASURES = {**_BINARY_MEASURES, **_REGRESSION_MEASURES}
_BINARY = tuple(_BINARY_MEASURES)
_REGRESSION = tuple(_REGRESSION_MEASURES)
