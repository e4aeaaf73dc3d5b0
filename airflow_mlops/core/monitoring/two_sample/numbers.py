"""Did the distribution of a number change?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.monitoring.two_sample.bridge import exceeds, steps_of
from airflow_mlops.core.monitoring.two_sample.change import Change

Floats = NDArray[np.float64]

#: From here the continuous law gives less than 1e-6, and ties only make it less.
_FAR = 2.75


def compare_numbers(reference: Floats, current: Floats) -> Change:
    """Two-sample tests of Kolmogorov-Smirnov and of Kuiper, the smaller p-value of both doubled.

    The first sees values that move up or down, the second values that move in or out, e.g. a larger spread. The effect
    is the distance of the one that is more telling: the difference of the shares of rows above a value, or between
    two. Neither can exceed the total variation distance, the share of rows that moved.

    :param reference, current: finite, ascending, not empty.
    """
    values, counts = np.unique(np.concatenate([reference, current]), return_counts=True)
    below_reference, below_current = (
        np.searchsorted(side, values, side="right") / len(side) for side in (reference, current)
    )
    gaps = below_reference - below_current
    high, low = int(gaps.argmax()), int(gaps.argmin())
    up, down = max(0.0, float(gaps[high])), max(0.0, -float(gaps[low]))
    size = len(reference) * len(current) / (len(reference) + len(current))
    shift_p = kolmogorov_p(max(up, down), size, counts / counts.sum())
    spread_p = kuiper_p(up + down, size)
    p_value = min(1.0, 2 * min(shift_p, spread_p))
    if shift_p <= spread_p:
        place = high if up >= down else low
        return Change(
            p_value,
            max(up, down),
            1.0 - float(below_reference[place]),
            1.0 - float(below_current[place]),
            f"above {values[place]:.4g}",
        )
    first, last = sorted((high, low))
    return Change(
        p_value,
        up + down,
        float(below_reference[last] - below_reference[first]),
        float(below_current[last] - below_current[first]),
        f"between {values[first]:.4g} and {values[last]:.4g}",
    )


def kolmogorov_p(distance: float, size: float, shares: Floats) -> float:
    """P-value of the two-sample Kolmogorov-Smirnov distance, ties considered.

    Untied, it is that of the one-sample statistic at the effective size (Smirnov 1939; Stephens 1970). That is too
    large where values are tied; then it is the limit law of :func:`~.bridge.exceeds`.

    :param size: n m / (n + m).
    :param shares: of all rows for each distinct value, ascending by value.
    """
    from scipy.stats import kstwo

    untied = min(1.0, float(kstwo.sf(distance, max(1, round(size)))))
    level = distance * math.sqrt(size)
    if not 0 < level < _FAR:
        return untied
    steps = steps_of(shares)
    return untied if steps is None else min(untied, exceeds(level, steps))


def kuiper_p(distance: float, size: float) -> float:
    """P-value of Kuiper's distance: the largest difference up plus the largest down.

    Kuiper (1960), with the correction of Stephens (1970) for the size; with ties it is too large, never too small.

    :param size: n m / (n + m).
    """
    root = math.sqrt(size)
    level = (root + 0.155 + 0.24 / root) * distance
    if level < 0.4:  # the series needs many terms and is one
        return 1.0
    terms = np.arange(1, 101) ** 2 * level**2
    return float(min(1.0, max(0.0, (2 * (4 * terms - 1) * np.exp(-2 * terms)).sum())))
