"""Did the distribution of a category change?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.monitoring.two_sample.change import Change

Floats = NDArray[np.float64]

#: Cells of the table expect as many rows of the smaller side at least; rare categories are put together until they do.
_LEAST_EXPECTED = 1.0
_SHOWN = 40


def compare_categories(reference: Mapping[str, int], current: Mapping[str, int]) -> Change:
    """Pearson's chi-square test of homogeneity, with the mean and variance that it has for these very margins.

    Rare categories are put together, those of similar frequency with one another; which ones depends on the sums of
    both sides only, so the test stays valid. The effect is the total variation distance less what chance gives.

    :param reference, current: rows of each category, each with one row at least.
    """
    names = sorted({*reference, *current})
    before, after = (np.array([side.get(name, 0) for name in names], float) for side in (reference, current))
    a, b = float(before.sum()), float(after.sum())
    moved = after / b - before / a
    place = int(np.abs(moved).argmax())
    return Change(
        chi_square_p(*_grouped(before, after)),
        variation(before, after),
        float(before[place] / a),
        float(after[place] / b),
        f"{names[place]!r:.{_SHOWN}}",
    )


def chi_square_p(before: Floats, after: Floats) -> float:
    """P-value of Pearson's statistic of a 2 x k table, given both margins.

    Where cells are sparse the statistic has not the mean and variance of chi-square. Haldane (1940) gives the exact
    ones under fixed margins (see Lewis, Saunders and Westcott, Biometrika 71, 1984); a gamma distribution with these
    two moments replaces chi-square, which it is in the limit.
    """
    from scipy.stats import gamma

    total = before + after
    before, after, total = before[total > 0], after[total > 0], total[total > 0]
    a, b, n, k = float(before.sum()), float(after.sum()), float(total.sum()), len(total)
    if k < 2 or n < 4:
        return 1.0
    statistic = n * n / (a * b) * float(((before - total * a / n) ** 2 / total).sum())
    mean = n * (k - 1) / (n - 1)
    of_rows, of_columns = (n - 2) / (n - 1), (n - k) * (k - 1) / (n - 1)
    odd_rows = (n / a + n / b - 4) / (n - 2)
    odd_columns = (n * float((1 / total).sum()) - k * k) / (n - 2)
    variance = 2 * n / (n - 3) * (of_rows - odd_rows) * (of_columns - odd_columns)
    variance += n * n / (n - 1) * odd_rows * odd_columns
    if variance <= 0:
        return 1.0
    return float(gamma.sf(statistic, mean * mean / variance, scale=variance / mean))


def variation(before: Floats, after: Floats) -> float:
    """Total variation distance of two samples, less what chance gives, 0 to 1.

    With many categories the plain distance is large without any change. What chance alone gives, given both margins,
    is the sum of the mean absolute deviations of the cells (De Moivre's formula for the binomial, with the correction
    for drawing without replacement); it is taken off in squares, as variances add.
    """
    total = before + after
    before, after, total = before[total > 0], after[total > 0], total[total > 0]
    a, b, n = float(before.sum()), float(after.sum()), float(total.sum())
    deviation = _mean_deviation(total, b / n) * np.sqrt((n - total) / (n - 1))
    chance = (1 / a + 1 / b) * float(deviation.sum()) / 2
    plain = float(np.abs(before / a - after / b).sum()) / 2
    return math.sqrt(max(0.0, plain**2 - chance**2))


def _mean_deviation(trials: Floats, chance: float) -> Floats:
    """Mean absolute deviation of binomial counts: 2 v C(t, v) p^v (1 - p)^(t - v + 1) with v = floor(t p) + 1."""
    from scipy.stats import binom

    over = np.floor(trials * chance) + 1
    return np.asarray(2 * over * (1 - chance) * binom.pmf(over, trials, chance), dtype=np.float64)


def _grouped(before: Floats, after: Floats) -> tuple[Floats, Floats]:
    """Counts in which rare categories are put together, so that each cell expects :data:`_LEAST_EXPECTED` rows."""
    total = before + after
    smaller = min(float(before.sum()), float(after.sum())) / float(total.sum())
    order = np.argsort(-total, kind="stable")
    group = np.empty(len(total), dtype=np.int64)
    number, held = 0, 0.0
    for place in order.tolist():
        if held >= _LEAST_EXPECTED:
            number, held = number + 1, 0.0
        group[place] = number
        held += float(total[place]) * smaller
    if held < _LEAST_EXPECTED and number:
        group[group == number] = number - 1  # the rest is too rare even together
    groups = int(group.max()) + 1
    first, second = (np.zeros(groups), np.zeros(groups))
    np.add.at(first, group, before)
    np.add.at(second, group, after)
    return first, second
