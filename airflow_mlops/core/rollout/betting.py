"""Testing a bounded mean by betting: valid however often, and whenever, one looks.

For observations x in [low, high] and the hypothesis "each x has, given what came before it, a mean of at most
mu", a gambler with a stake of 1 who bets a fixed lambda in [0, 1/(mu - low)] on every x has the capital

    K_t(lambda) = prod_{i <= t} (1 + lambda (x_i - mu)),

a non-negative supermartingale under the hypothesis (Waudby-Smith & Ramdas, "Estimating means of bounded
random variables by betting", JRSS B 86(1), 2024, section 4, "The capital process"). So is its mean over a
prior on lambda. By Ville's inequality (ibid., section 2) the capital ever reaches 1/alpha with a probability
of at most alpha: an *e-process*. The hypothesis "at least mu" is the mirror image.

The prior is a fixed geometric grid of shares of the largest bet (diversified, or grid-Kelly, betting; ibid.,
appendix B). Fixed bets make the capital independent of the order of the observations, so that counts per cell
are all that has to be kept, and the counts of two parts add up to the counts of the whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

#: Bets as shares of the largest one that can never ruin. Large ones are best for rare events, small ones for
#: small differences.
SHARES: Floats = 0.96 * 0.55 ** np.arange(10, dtype=np.float64)
_WEIGHTS = np.array([1.2, 1.2, 1.2, 1.1, 1.0, 1.0, 1.0, 1.0, 0.8, 0.5])
LOG_PRIOR: Floats = np.log(_WEIGHTS / _WEIGHTS.sum())
_BISECTIONS = 20


def log_capitals(values: Floats, counts: Floats, mean: float, low: float) -> Floats:
    """Log capital of each bet against "each x has a mean of at most ``mean``", without the prior.

    :param values: different observations, none below ``low``.
    :param counts: how often each came; fractions are allowed (see :mod:`~airflow_mlops.core.rollout.cells`).
    :param mean: above ``low``.
    """
    sizes = SHARES / (mean - low)
    capitals: Floats = np.log1p(np.outer(sizes, values - mean)) @ counts
    return capitals


def mixed(capitals: Floats) -> float:
    """Log of the capital of all bets together, each with its share of the stake (the prior)."""
    return float(np.logaddexp.reduce(capitals + LOG_PRIOR))


def log_path(x: Floats, mean: float, low: float = 0.0) -> Floats:
    """Log capital after each observation, in their order; reaching log(1/alpha) anywhere rejects at alpha."""
    capital = np.full(len(x), -np.inf)
    excess = np.asarray(x, dtype=np.float64) - mean
    for size, log_weight in zip(SHARES / (mean - low), LOG_PRIOR, strict=True):
        np.logaddexp(capital, np.cumsum(np.log1p(size * excess)) + log_weight, out=capital)
    return capital


class OneSample:
    """Observations of one mean in [low, high] as counts per value, and the evidence in them."""

    def __init__(self, values: Floats, counts: Floats, low: float, high: float) -> None:
        there = counts > 0
        self._values, self._counts = values[there], counts[there]
        self.low, self.high = low, high

    def above(self, limit: float) -> Floats:
        """Log capitals against "the mean is at most ``limit``", per bet."""
        return log_capitals(self._values, self._counts, limit, self.low)

    def below(self, limit: float) -> Floats:
        """Log capitals against "the mean is at least ``limit``", per bet."""
        return log_capitals(-self._values, self._counts, -limit, -self.high)


class Evidence(Protocol):
    """Counts from which two hypotheses about a mean, or a difference of means, can be bet against."""

    low: float
    high: float

    def above(self, limit: float) -> Floats:
        """Log capitals against "at most ``limit``", per bet, without the prior."""
        ...

    def below(self, limit: float) -> Floats:
        """Log capitals against "at least ``limit``", per bet, without the prior."""
        ...


def lower_bound(evidence: Evidence, threshold: float) -> float:
    """The lower end of a confidence sequence: what lies below it is rejected as "at most".

    With ``threshold`` = log(1/alpha), the true mean is below it at any time ever with a probability of at most
    alpha (Waudby-Smith & Ramdas 2024, Theorem 1). The capital falls as the limit rises, so bisection finds it.

    :return: ``evidence.low`` when nothing is rejected.
    """
    return _bisect(lambda limit: mixed(evidence.above(limit)) >= threshold, evidence.low, evidence.high)


def upper_bound(evidence: Evidence, threshold: float) -> float:
    """The same from above; ``evidence.high`` when nothing is rejected."""
    return _bisect(lambda limit: mixed(evidence.below(limit)) >= threshold, evidence.high, evidence.low)


def _bisect(rejected: Callable[[float], bool], near: float, far: float) -> float:
    """The limit furthest from ``near`` that is still rejected."""
    for _ in range(_BISECTIONS):
        middle = (near + far) / 2
        if rejected(middle):
            near = middle
        else:
            far = middle
    return near
