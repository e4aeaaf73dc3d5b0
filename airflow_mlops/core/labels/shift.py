"""Label shift: whether the share of label 1 is the same in all periods, and in all parts of the split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.labels.record import LabelCount, LabelShift
from airflow_mlops.core.wording import day

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PERIODS = 10
#: The chi-squared test wants so many expected rows in every cell.
_LEAST_EXPECTED = 5.0


def shift_by_period(times: pd.Series, labels: NDArray[np.float64], periods: int = PERIODS) -> LabelShift:
    """Periods of equal length; those without a row are left out.

    :param times: event times in UTC, rising.
    :param labels: 0 or 1 for each.
    """
    import pandas as pd

    edges = pd.date_range(times.iloc[0], times.iloc[-1], periods=periods + 1)
    place = edges[1:-1].searchsorted(times, side="right")
    groups = []
    for number in range(periods):
        inside = place == number
        if inside.any():
            groups.append(count(day(edges[number]), times[inside], labels[inside]))
    return shift("period", groups)


def count(name: str, times: pd.Series, labels: NDArray[np.float64]) -> LabelCount:
    """One group of rows."""
    return LabelCount(
        name=name,
        start=times.min().to_pydatetime(),
        end=times.max().to_pydatetime(),
        rows=len(labels),
        positives=int(labels.sum()),
    )


def shift(by: str, groups: Sequence[LabelCount]) -> LabelShift:
    """Pearson's chi-squared test of homogeneity, and Cramer's V."""
    import numpy as np
    from scipy.stats import chi2

    seen = np.array([[one.positives, one.rows - one.positives] for one in groups], dtype=np.float64)
    if len(seen) < 2:
        return LabelShift(by=by, groups=tuple(groups), p_value=None, effect=None)
    expected = seen.sum(axis=1, keepdims=True) * seen.sum(axis=0) / seen.sum()
    if expected.min() < _LEAST_EXPECTED:
        return LabelShift(by=by, groups=tuple(groups), p_value=None, effect=None)
    statistic = float(((seen - expected) ** 2 / expected).sum())
    return LabelShift(
        by=by,
        groups=tuple(groups),
        p_value=float(chi2.sf(statistic, len(seen) - 1)),
        effect=float(np.sqrt(statistic / seen.sum())),
    )
