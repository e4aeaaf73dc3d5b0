"""Tests of two samples: did a column's values, its missing values or its set of categories change?

All of them treat both sides as samples. A goodness-of-fit test that takes the older sample for the truth calls
chance drift more often than it says; a test of homogeneity does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.errors import PlatformError

#: Categories with fewer expected rows on either side are put together: below, chi-square is no chi-square.
_LEAST_EXPECTED = 5.0
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
What = Literal["values", "missing", "new categories"]


@dataclass(frozen=True)
class Shift:
    """What one test found of one column.

    :param effect: Kolmogorov-Smirnov distance of numbers, total variation of categories, change of the missing rate, or
        the share of rows with a category that is new.
    """

    what: What
    p_value: float
    effect: float
    note: str = ""


def require_scipy() -> None:
    """Say so when scipy is not installed. :raises PlatformError: naming what to install."""
    try:
        import scipy.stats  # noqa: F401
    except ImportError:
        raise PlatformError(
            "drift of data needs scipy", remedy="pip install 'airflow-mlops[xgboost]'"
        ) from None


def compare_numbers(before: Floats, after: Floats) -> Shift:
    """Two-sample Kolmogorov-Smirnov test; with ties, or few values, it errs on the side of no drift.

    The p-value is that of the one-sample statistic at the effective size n m / (n + m) (Smirnov 1939; Stephens 1970).
    """
    from scipy.stats import kstwo

    before, after = np.sort(before), np.sort(after)
    both = np.concatenate([before, after])
    below = [np.searchsorted(side, both, side="right") / len(side) for side in (before, after)]
    distance = float(np.abs(below[0] - below[1]).max())
    size = len(before) * len(after) / (len(before) + len(after))
    return Shift("values", min(1.0, float(kstwo.sf(distance, max(1, round(size))))), distance)


def compare_categories(before: Counts, after: Counts) -> Shift:
    """Pearson's chi-square test of homogeneity, rare categories put together; the effect is total variation.

    The effect is that of the categories as they are tested: the plain one grows with their number by chance alone.

    :param before, after: rows of each category, in the same order.
    """
    before, after = _pooled(before, after)
    a, b = int(before.sum()), int(after.sum())
    effect = float(np.abs(before / a - after / b).sum()) / 2
    if len(before) < 2:
        return Shift("values", 1.0, effect)
    if len(before) == 2:
        return Shift("values", two_shares_p(int(before[0]), a, int(after[0]), b), effect)
    from scipy.stats import chi2

    total = before + after
    statistic = sum(
        float((((side - total * rows / (a + b)) ** 2) / (total * rows / (a + b))).sum())
        for side, rows in ((before, a), (after, b))
    )
    return Shift("values", float(chi2.sf(statistic, len(before) - 1)), effect)


def compare_missing(before: tuple[int, int], after: tuple[int, int]) -> Shift:
    """Whether values are missing more or less often. :param before, after: missing values and rows."""
    (missing_a, a), (missing_b, b) = before, after
    effect = abs(missing_a / a - missing_b / b)
    note = f"missing {missing_a / a:.1%} -> {missing_b / b:.1%}"
    return Shift("missing", two_shares_p(missing_a, a, missing_b, b), effect, note)


def compare_new_categories(before: Counts, after: Counts) -> Shift:
    """Whether categories came up that the older sample should have had.

    A category of m rows lies wholly on the newer side by chance with a probability of at most (b / (a + b))^m; the
    smallest of these, times the number of categories (Bonferroni), is the p-value.
    """
    a, b = int(before.sum()), int(after.sum())
    new = after[before == 0]
    if not len(new) or not a or not b:
        return Shift("new categories", 1.0, 0.0)
    log_p = math.log(len(before)) + int(new.max()) * math.log(b / (a + b))
    share = float(new.sum()) / b
    note = f"{len(new):,} new categories in {share:.1%} of the rows"
    return Shift("new categories", math.exp(min(0.0, log_p)), share, note)


def two_shares_p(hits_a: int, a: int, hits_b: int, b: int) -> float:
    """Two-sided p-value that two shares are the same: chi-square, or Fisher's exact test where counts are small."""
    hits, rows = hits_a + hits_b, a + b
    if hits in (0, rows) or not a or not b:
        return 1.0
    if min(hits, rows - hits) * min(a, b) / rows < _LEAST_EXPECTED:
        from scipy.stats import fisher_exact

        return float(fisher_exact([[hits_a, a - hits_a], [hits_b, b - hits_b]])[1])
    share = hits / rows
    z = (hits_a / a - hits_b / b) / math.sqrt(share * (1 - share) * (1 / a + 1 / b))
    return math.erfc(abs(z) / math.sqrt(2))


def rejected(p_values: Sequence[float], alpha: float) -> npt.NDArray[np.bool_]:
    """Which hypotheses fall, with false discoveries below ``alpha`` whatever their dependence.

    Benjamini and Yekutieli (2001), theorem 1.3: the k smallest fall for the largest k with
    p_(k) <= k alpha / (m (1 + 1/2 + ... + 1/m)). When nothing differs, any discovery comes with at most ``alpha``.
    """
    p = np.asarray(p_values, dtype=np.float64)
    m = len(p)
    order = np.argsort(p, kind="stable")
    limits = np.arange(1, m + 1) * alpha / (m * float((1.0 / np.arange(1, m + 1)).sum())) if m else p
    under = np.flatnonzero(p[order] <= limits)
    found = np.zeros(m, dtype=np.bool_)
    if len(under):
        found[order[: under[-1] + 1]] = True
    return found


def _pooled(before: Counts, after: Counts) -> tuple[Counts, Counts]:
    """Counts in which each category expects enough rows on both sides; what is rarer is one category.

    Which ones are put together depends on the sums of both sides only, so the test stays what it is.
    """
    total = before + after
    order = np.argsort(-total, kind="stable")
    before, after, total = before[order], after[order], total[order]
    smaller = min(int(before.sum()), int(after.sum())) / max(1, int(total.sum()))
    keep = int((total * smaller >= _LEAST_EXPECTED).sum())
    if keep < len(total) and 0 < total[keep:].sum() * smaller < _LEAST_EXPECTED:
        keep -= 1  # the rest is too rare even together, and joins the rarest of the others
    keep = max(keep, 0)
    if keep >= len(total):
        return before, after
    tails = (np.append(side[:keep], side[keep:].sum()) for side in (before, after))
    first, second = tails
    return first, second
