"""How fast a series of minutes grows, and how fast it surely does, though neighbouring minutes are alike.

The slope is Theil's and Sen's: the median of the slopes between all pairs of points, which outliers hardly move (Sen,
"Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968). Its standard error is that of a
straight line through AR(1) noise (Weatherhead et al., "Factors affecting the detection of trends", JGR 103(D14),
1998, section 2), with the exact covariance instead of the large-sample formula. The autocorrelation is estimated from
what the line leaves over and freed of its bias, -(2 + 4 phi) / n after a line was taken out (after Kendall, "Note on
bias in the estimation of autocorrelation", Biometrika 41, 1954). It is never taken as less than 0.8: a few minutes of a
sluggish series look like a trend, and a dozen points can't tell how sluggish it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The autocorrelation of neighbouring points is taken to be within this.
_SLUGGISH, _MOST = 0.8, 0.95
#: Standard errors below the slope where it surely is above: so far out because a series is looked at every minute.
_SURELY = 3.0


@dataclass(frozen=True)
class Trend:
    """A straight line through a series, in its unit per unit of time. :param lower: the slope is surely above."""

    slope: float
    lower: float


def trend(times: Floats, values: Floats) -> Trend:
    """The trend of at least five points at different, about equally distant times."""
    slope = theil_sen(times, values)
    rest = values - slope * times
    rest = rest - rest.mean()
    own = float(rest @ rest)
    if own <= 0.0:
        return Trend(slope, slope)
    count = len(values)
    raw = float(rest[1:] @ rest[:-1]) / own
    alike = min(max((count * raw + 2.0) / (count - 4.0), _SLUGGISH), _MOST)
    centred = times - times.mean()
    weights = centred / float(centred @ centred)
    correlations = alike ** np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    basis = np.linalg.qr(np.stack([np.ones(count), centred], axis=1))[0]
    # of n parts of the noise, a fitted line takes more than two away when neighbours are alike
    left = count - float(np.trace(basis.T @ correlations @ basis))
    error = math.sqrt(own / left * float(weights @ correlations @ weights))
    return Trend(slope, slope - _SURELY * error)


def theil_sen(times: Floats, values: Floats) -> float:
    """The median of the slopes between all pairs of points."""
    first, second = np.triu_indices(len(values), 1)
    return float(np.median((values[second] - values[first]) / (times[second] - times[first])))
