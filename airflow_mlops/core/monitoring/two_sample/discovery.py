"""Which of many hypotheses fall."""

from __future__ import annotations

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> tuple[float, ...]:
    """P-values after control of the false discovery rate: Benjamini and Hochberg (1995).

    Rejecting what is at most alpha keeps the expected share of false discoveries at alpha or below, for independent
    tests and for positively dependent ones (Benjamini and Yekutieli 2001, theorem 1.2). When nothing changed, any
    discovery is false, so one comes with at most alpha.
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    found = [1.0] * len(p_values)
    least = 1.0
    for rank in range(len(order), 0, -1):
        place = order[rank - 1]
        least = min(least, p_values[place] * len(order) / rank)
        found[place] = least
    return tuple(found)
