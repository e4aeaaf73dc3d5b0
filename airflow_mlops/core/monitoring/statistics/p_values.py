"""p-values of Evidently's two-sample tests; small when the two sides differ. Most need SciPy.

They take the reference for the truth where Evidently's do (chi-square, G), so they call too much drift in small
samples.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.monitoring.sample import Sample
from airflow_mlops.core.monitoring.statistics.counting import counts_of_both, numbers, values_of


def kolmogorov_smirnov(reference: Sample, current: Sample) -> float:
    """Two-sided, exact up to 10,000 rows a side."""
    with _scipy_stats() as stats:
        return float(stats.ks_2samp(*numbers(reference, current)).pvalue)


def chi_square(reference: Sample, current: Sample) -> float:
    """Of the current counts, expected as the reference's, scaled to as many rows; a new value makes it 0."""
    before, observed = counts_of_both(reference, current)
    expected = before * (values_of(current) / values_of(reference))
    statistic = float(np.sum((observed - expected) ** 2 / expected))
    with _scipy_stats() as stats:
        return float(stats.chi2.sf(statistic, len(observed) - 1))


def z_test(reference: Sample, current: Sample) -> float:
    """Two-sided, of the shares of one of two values, with pooled variance."""
    first, second = (side[0] for side in counts_of_both(reference, current))
    rows, others = values_of(reference), values_of(current)
    pooled = (first + second) / (rows + others)
    if pooled == 1:  # one value alone, the same on both sides
        return 1.0
    apart = (first / rows - second / others) / math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / others))
    return math.erfc(abs(apart) / math.sqrt(2))


def g_test(reference: Sample, current: Sample) -> float:
    """Of the current counts, expected as the reference's; both sides need as many rows, else there is no value."""
    expected, observed = counts_of_both(reference, current)
    with _scipy_stats() as stats:
        return float(stats.power_divergence(observed, expected, lambda_="log-likelihood").pvalue)


def mann_whitney(reference: Sample, current: Sample) -> float:
    """One-sided: that the reference is the smaller side."""
    with _scipy_stats() as stats:
        return float(stats.mannwhitneyu(*numbers(reference, current), alternative="less").pvalue)


def anderson_darling(reference: Sample, current: Sample) -> float:
    """The k-sample test of two, interpolated in a table from 0.001 to 0.25."""
    with _scipy_stats() as stats:
        return float(stats.anderson_ksamp(list(numbers(reference, current))).pvalue)


def fisher_exact(reference: Sample, current: Sample) -> float:
    """Of the two-by-two table; both sides need as many rows and two values in all, else there is no value."""
    first, second = counts_of_both(reference, current)
    if len(first) > 2 or values_of(reference) != values_of(current):
        return math.nan
    table = np.zeros((2, 2), dtype=np.int64)
    table[:, : len(first)] = first, second
    with _scipy_stats() as stats:
        return float(stats.fisher_exact(table).pvalue)


@contextmanager
def _scipy_stats() -> Iterator[Any]:
    """SciPy's tests, without their warnings (of ties, of tables' ends).

    :raises PlatformError: without SciPy.
    """
    try:
        from scipy import stats
    except ImportError:
        raise PlatformError(
            "p-values of drift need SciPy", remedy="pip install 'airflow-mlops[xgboost]', or scipy alone"
        ) from None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield stats
