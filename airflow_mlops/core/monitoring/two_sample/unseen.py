"""Values that the reference never had: how many are too many, when any sample lacks some?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.monitoring.two_sample.change import Change

Floats = NDArray[np.float64]

#: Categories with more rows than this don't all fall into one side by chance: their part is below 1e-12.
_NEVER = 1e-12
#: Part of the reference's range by which a value is out of it before it counts.
_MARGIN = 0.1
_EXAMPLES = 3
_SHOWN = 40


def compare_unseen(reference: Mapping[str, int], current: Mapping[str, int]) -> Change:
    """Rows of the window whose category the reference lacks, against what chance gives.

    If nothing changed, each row lies on either side by chance: all t rows of a category lie in the window with the
    probability of drawing t of its n rows from all N, C(N - t, n - t) / C(N, n). The p-value is that of as many rows in
    categories that do so, taken as independent. What the reference leads to expect is the estimate of Good (1953) and
    Turing: the share of its rows whose category is there once.

    :param reference, current: rows of each category, each with one row at least.
    """
    n, m = sum(current.values()), sum(reference.values())
    new = {name: rows for name, rows in current.items() if name not in reference}
    seen = sum(new.values())
    expected = sum(rows == 1 for rows in reference.values()) / m
    sizes = Counter((Counter(reference) + Counter(current)).values())
    examples = sorted(new, key=lambda name: (-new[name], name))[:_EXAMPLES]
    return Change(
        _as_many(seen, sizes, n, n + m),
        max(0.0, seen / n - expected),
        expected,
        seen / n,
        ", ".join(f"{name!r:.{_SHOWN}}" for name in examples),
    )


def compare_range(reference: Floats, current: Floats) -> Change:
    """Rows of the window far above the largest or far below the smallest value of the reference: further than a tenth
    of its range, because some record is broken all the time.

    If nothing changed, the u largest of all N rows lie in the window with probability C(N - u, n - u) / C(N, n), about
    (n / N)^u: exact for continuous values and no margin, else too large. Both ends: the smaller p-value doubled.

    :param reference, current: finite, ascending, not empty.
    """
    n, m = len(current), len(reference)
    margin = _MARGIN * (float(reference[-1]) - float(reference[0]))
    least, most = float(reference[0]) - margin, float(reference[-1]) + margin
    over = n - int(np.searchsorted(current, most, side="right"))
    under = int(np.searchsorted(current, least, side="left"))
    p_value = min(1.0, 2 * min(all_inside(over, n, n + m), all_inside(under, n, n + m)))
    share = (over + under) / n
    return Change(p_value, share, 0.0, share, f"{least:.4g} to {most:.4g}")


def all_inside(rows: int, n: int, total: int) -> float:
    """P(these ``rows`` are all among ``n`` that are drawn from ``total``)."""
    if rows > n:
        return 0.0
    parts = (math.lgamma(total - rows + 1) - math.lgamma(n - rows + 1)) - (
        math.lgamma(total + 1) - math.lgamma(n + 1)
    )
    return math.exp(min(0.0, parts))


def _as_many(seen: int, sizes: Mapping[int, int], n: int, total: int) -> float:
    """P(at least ``seen`` rows lie in categories that are wholly in the window); ``sizes``: categories by rows."""
    if not seen:
        return 1.0
    from scipy.signal import fftconvolve
    from scipy.stats import binom

    law: Floats = np.zeros(seen)  # P(k rows) for k < seen
    law[0] = 1.0
    for rows, categories in sorted(sizes.items()):
        chance = all_inside(rows, n, total)
        if chance * categories < _NEVER:
            continue
        one = np.zeros(seen)
        most = min(categories, (seen - 1) // rows)
        one[: most * rows + 1 : rows] = binom.pmf(np.arange(most + 1), categories, chance)
        law = np.clip(fftconvolve(law, one)[:seen], 0.0, None)
    return float(min(1.0, max(0.0, 1.0 - law.sum())))
