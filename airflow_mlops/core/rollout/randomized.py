"""Compare two variants that answer different requests, without believing that the world stands still.

A hash gives each request to the challenger with a known probability w, whatever the request is and whatever
happened before. For outcomes y in [0, 1], a centre q and a bet k, the factor of a request is

    1 + k/w     (y - q - m)    for the challenger's,
    1 + k/(1-w) (q - y)        for the champion's.

If at that moment the champion's mean is p0 and the challenger's p1, the factor has the expectation
1 + k (p1 - p0 - m): the centre cancels (inverse-probability weighting; Horvitz & Thompson 1952). So the product
of the factors is an e-process against "at every moment p1 <= p0 + m", whatever trends, bursts and shocks both
variants meet together: the randomisation, not a model of the traffic, makes it valid (design-based sequential
inference: Ham, Bojinov, Lindon & Tingley, "Design-based confidence sequences", 2022; bets: Waudby-Smith &
Ramdas 2024, see :mod:`~airflow_mlops.core.rollout.betting`).

The centre decides only how fast the capital grows. For errors the best centre and bet give exactly the growth
rate of the information bound min over q of (1-w) KL(p0, q) + w KL(p1, q + m) (reverse information projection;
Grunwald, de Heide & Koolen, "Safe testing", JRSS B 86(5), 2024; for two-by-two tables: Turner, Ly & Grunwald, J.
Stat. Plan. Inference 230, 2024). It lies near the mean of all outcomes, so each block of requests is centred at
the level of those before it: predictable, as it has to be, and following a drifting base rate. Requests are
counted per level; the bets are a mixture, so these counts are all that has to be kept.
"""

from __future__ import annotations

import numpy as np

from airflow_mlops.core.rollout.betting import LOG_PRIOR, SHARES, Flags, Floats, Indices
from airflow_mlops.core.rollout.cells import UNIT

#: Levels of the base rate that are told apart, about as far apart as a level is uncertain.
LEVELS: Floats = np.linspace(0.1, 0.974, 48) ** 4
#: A block between two levels takes the upper one as often as it is near to it (multiples of the golden ratio are
#: spread evenly). Rounding would keep the centre on one side of the mean; then every key would add to the evidence, by
#: the mere chance of the side on which the hash has put it, and heavy keys would reject without any difference.
_SPREAD = (5.0**0.5 - 1.0) / 2.0
#: Requests in a block, and after how many a request counts half in the level.
_BLOCK, _HALF_LIFE = 32, 200.0
#: What is believed about the level before the first request: 2 %, like 25 requests.
_FIRST_LEVEL, _FIRST_WEIGHT = 0.02, 25.0

#: Keeps divisors above 0 where limit and centre meet an end of the range; it only makes bets smaller.
_LEAST = 1e-9


class Level:
    """The mean of all outcomes so far, recent ones first: known before the block that it centres."""

    def __init__(self) -> None:
        self.weight, self.sum = _FIRST_WEIGHT, _FIRST_LEVEL * _FIRST_WEIGHT
        self._blocks = 0

    def follow(self, y: Floats) -> Indices:
        """The index in :data:`LEVELS` under which each outcome counts, in the order in which they came."""
        blocks = -(-len(y) // _BLOCK)
        sums = np.add.reduceat(y, np.arange(0, len(y), _BLOCK)) if blocks else np.empty(0)
        means = np.empty(blocks)
        for block, total in enumerate(sums.tolist()):
            means[block] = self.sum / self.weight
            length = min(_BLOCK, len(y) - block * _BLOCK)
            kept = 0.5 ** (length / _HALF_LIFE)
            self.sum, self.weight = self.sum * kept + total, self.weight * kept + length
        spread = (np.arange(self._blocks, self._blocks + blocks) * _SPREAD) % 1.0
        self._blocks += blocks
        levels = np.floor(np.interp(means, LEVELS, np.arange(len(LEVELS))) + spread)
        return np.repeat(levels.astype(np.int64), _BLOCK)[: len(y)]


class TwoArms:
    """Outcomes of both variants as counts per level and value, and the evidence about p1 - p0 in them.

    :param counts: of shape (levels, 2, cells); of the champion first.
    :param share: the challenger's share of the requests, in (0, 1).
    """

    low, high = -1.0, 1.0

    def __init__(self, counts: Floats, share: float) -> None:
        self._share = share
        flat = counts.reshape(len(LEVELS) * 2, UNIT.size)
        row, cell = np.nonzero(flat)
        self._counts = flat[row, cell]
        self._centre = LEVELS[row // 2]
        self._mine = (row % 2).astype(bool)
        self._values = UNIT.values[cell]

    def above(self, limit: float) -> Floats:
        """Log capitals against "at every moment p1 <= p0 + ``limit``", per bet."""
        return self._capitals(limit, above=True)

    def below(self, limit: float) -> Floats:
        """Log capitals against "at every moment p1 >= p0 + ``limit``", per bet."""
        return self._capitals(limit, above=False)

    def _capitals(self, limit: float, *, above: bool) -> Floats:
        centre, largest = centred(self._centre, limit, self._share, above=above)
        gain = _gains(self._values, self._mine, centre, largest, limit, self._share, above=above)
        capitals: Floats = np.log1p(np.outer(SHARES, gain)) @ self._counts
        return capitals


def centred(level: Floats, limit: float, share: float, *, above: bool) -> tuple[Floats, Floats]:
    """Centre q and the largest bet k that can't ruin, for a limit m on p1 - p0 and the level of all outcomes."""
    centre = np.clip(level - share * limit, level / 4, 0.999)
    centre = np.clip(centre, max(0.0, -limit), 1.0 - max(0.0, limit))
    mine, theirs = (centre + limit, 1.0 - centre) if above else (1.0 - centre - limit, centre)
    largest = np.minimum(share / np.maximum(mine, _LEAST), (1.0 - share) / np.maximum(theirs, _LEAST))
    return centre, largest


def _gains(
    y: Floats, mine: Flags, centre: Floats, largest: Floats, limit: float, share: float, *, above: bool
) -> Floats:
    gain = np.where(mine, (y - centre - limit) / share, (centre - y) / (1.0 - share)) * largest
    return np.asarray(gain if above else -gain, dtype=np.float64)


def log_path(y: Floats, mine: Flags, limit: float, share: float, *, above: bool = True) -> Floats:
    """Log capital after each request, in their order; reaching log(1/alpha) anywhere rejects at alpha."""
    level = LEVELS[Level().follow(np.asarray(y, dtype=np.float64))]
    centre, largest = centred(level, limit, share, above=above)
    gain = _gains(y, mine, centre, largest, limit, share, above=above)
    capital = np.full(len(y), -np.inf)
    for size, log_weight in zip(SHARES, LOG_PRIOR, strict=True):
        np.logaddexp(capital, np.cumsum(np.log1p(size * gain)) + log_weight, out=capital)
    return capital
