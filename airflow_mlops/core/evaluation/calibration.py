"""Whether of the rows with a score of 0.3 three in ten are positive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.analysis import Calibration, CalibrationBin
from airflow_mlops.core.evaluation.metrics import calibration_error, mass_bins

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Z = 1.959964  # of a 95 % interval


def calibration_of(
    labels: NDArray[np.float64], scores: NDArray[np.float64], rival: NDArray[np.float64] | None
) -> Calibration | None:
    """Predicted against observed rates in the bins of the metric ``calibration_error``; None if a score is not finite.

    :param rival: the champion's scores of the same rows.
    """
    import numpy as np

    if not np.isfinite(scores).all():
        return None
    places = mass_bins(scores)
    rows, predicted, observed = (np.bincount(places, weights=one) for one in (None, scores, labels))
    return Calibration(
        bins=tuple(
            _bin(int(rows[place]), float(predicted[place]), float(observed[place]))
            for place in np.flatnonzero(rows)
        ),
        error=calibration_error(labels, scores),
        champion_error=calibration_error(labels, rival)
        if rival is not None and np.isfinite(rival).all()
        else None,
    )


def wilson_interval(positives: float, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share, which is right for few rows and for shares near 0 and 1, too.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    share, weight = positives / rows, _Z**2 / rows
    middle = share + weight / 2
    half = _Z * math.sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))


def _bin(rows: int, predicted: float, observed: float) -> CalibrationBin:
    low, high = wilson_interval(observed, rows)
    return CalibrationBin(rows=rows, predicted=predicted / rows, observed=observed / rows, low=low, high=high)
