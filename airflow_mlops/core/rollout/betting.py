"""Testing a bounded mean by betting: valid however often, and whenever, one looks.

For observations x in [0, 1] and the hypothesis "each x has, given what came before it, a mean of at most mu",
a gambler with a stake of 1 who bets a fixed lambda in [0, 1/mu] on every x has the capital

    K_t(lambda) = prod_{i <= t} (1 + lambda (x_i - mu)),

a non-negative supermartingale under the hypothesis (Waudby-Smith & Ramdas, "Estimating means of bounded
random variables by betting", JRSS B 86(1), 2024, section 4, "The capital process"). So is its mean over a
prior on lambda. By Ville's inequality (ibid., section 2) the capital ever reaches 1/alpha with a probability
of at most alpha: an *e-process*. The hypothesis "at least mu" is the mirror image: 1 - x against 1 - mu.

The prior is a fixed geometric grid (diversified, or grid-Kelly, betting; ibid., appendix B), heavy on the
large bets that are best for rare events. Fixed bets make the capital independent of the order of the
observations, so that their tally is all that has to be kept, and the tallies of two parts add up to the tally
of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: The largest bet: a share of the most that can never ruin (1/mu), and no more than suits a mean that is five
#: times mu.
_LARGEST_SHARE, _LARGEST = 0.9, 4.0
#: The grid halves its bets; with 12 of them the least suits differences that need millions of observations.
_BETS = 12
#: The prior falls as (1, 2, 3, ...)^-1.5: half of the stake on the largest bet.
_DECAY = 1.5
#: More different values than this are rounded down to a grid of so many cells: it costs at most 1/16384 of
#: the range.
_CELLS = 2**14
_BISECTIONS = 30


def bets(mean: float) -> tuple[Floats, Floats]:
    """The grid of bets against a mean of at most ``mean`` in (0, 1), and the log of their prior weights."""
    steps: Floats = np.arange(_BETS, dtype=np.float64)
    sizes = min(_LARGEST_SHARE / mean, _LARGEST) * 0.5**steps
    weights: Floats = (steps + 1.0) ** -_DECAY
    return sizes, np.log(weights / weights.sum())


def log_e_process(x: Floats, mean: float) -> Floats:
    """Log capital after each observation, against "each x has a mean of at most ``mean``, given its past".

    :param x: observations in [0, 1], in the order in which they became known.
    :param mean: in (0, 1).
    :return: as long as ``x``; reaching log(1/alpha) anywhere rejects at level alpha.
    """
    capital = np.full(len(x), -np.inf)
    excess = np.asarray(x, dtype=np.float64) - mean
    for size, log_weight in zip(*bets(mean), strict=True):
        np.logaddexp(capital, np.cumsum(np.log1p(size * excess)) + log_weight, out=capital)
    return capital


@dataclass(frozen=True)
class Tally:
    """Observations without their order: different values in [0, 1] and how often each came."""

    values: Floats
    counts: Floats

    @property
    def total(self) -> float:
        """How many observations."""
        return float(self.counts.sum())


def tally(x: Floats) -> Tally:
    """Count equal values; many different ones are rounded down first, which can only lower the capital."""
    x = np.asarray(x, dtype=np.float64)
    values, counts = np.unique(x, return_counts=True)
    if len(values) > _CELLS:
        values, counts = np.unique(np.floor(x * _CELLS) / _CELLS, return_counts=True)
    return Tally(values, counts.astype(np.float64))


def log_capitals(seen: Tally, mean: float) -> Floats:
    """Log capital of each bet of the grid, without the prior, after all observations."""
    sizes, _ = bets(mean)
    capitals: Floats = np.log1p(np.outer(sizes, seen.values - mean)) @ seen.counts
    return capitals


def log_e_value(seen: Tally, mean: float) -> float:
    """Log capital after all observations: the last value of :func:`log_e_process`, at most rounded down."""
    _, log_weights = bets(mean)
    return float(np.logaddexp.reduce(log_capitals(seen, mean) + log_weights))


def lower_bound(seen: Tally, log_threshold: float) -> float:
    """The largest mean that the observations reject as "at most": a bound that holds at all times at once.

    It is the lower end of a confidence sequence (Waudby-Smith & Ramdas 2024, Theorem 1): with
    ``log_threshold`` = log(1/alpha), the true mean is below it at any time ever with a probability of at most
    alpha. The capital falls as the mean rises, so bisection finds it.

    :return: in [0, 1); 0 when nothing is rejected.
    """
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if log_e_value(seen, middle) >= log_threshold:
            low = middle
        else:
            high = middle
    return low


def upper_bound(mirrored: Tally, log_threshold: float) -> float:
    """The same from above. :param mirrored: the tally of 1 - x."""
    return 1.0 - lower_bound(mirrored, log_threshold)


def growth(seen: Tally, mean: float) -> float:
    """Expected gain of log capital per observation with the best bet, if what was seen is the truth.

    Kelly's growth rate; the time to reject is about log(1/alpha) over it. Not above 0 when no bet gains.
    """
    return float(log_capitals(seen, mean).max()) / max(seen.total, 1.0)
