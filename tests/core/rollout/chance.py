"""How often something may happen in a simulation before its rate is surely above what was promised."""

from __future__ import annotations

import math


def most(rate: float, runs: int, doubt: float = 1e-3) -> int:
    """The largest count in ``runs`` that a true rate of ``rate`` exceeds with a probability of at most ``doubt``."""
    below = 0.0
    for count in range(runs + 1):
        below += math.comb(runs, count) * rate**count * (1 - rate) ** (runs - count)
        if 1 - below <= doubt:
            return count
    return runs
