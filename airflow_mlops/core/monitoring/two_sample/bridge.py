"""How far a Brownian bridge strays where it is looked at: the null of Kolmogorov-Smirnov with ties."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A value that this share of the rows has is an atom; rarer ones count as untied, which errs on the side of no change.
_ATOM = 0.005
#: Atoms that hold less than this share of the rows in all make no difference.
_TIED = 0.02
#: Distance of two nodes of the grid: half the standard deviation of the shortest step, the root of _ATOM.
_SPACING = 0.035
_LEAST_NODES = 48
#: Images on either side, below and above the level of 1.2; the next adds less than 1e-11 for a step of at most one.
_IMAGES = (4, 1)
#: Below this level the bridge exceeds it with a probability of 0.997 and more.
_CERTAIN = 0.4
#: Below this a difference from one is rounding.
_LEAST_P = 1e-9


def steps_of(shares: Floats) -> list[tuple[float, bool]] | None:
    """The path of a bridge over the pooled values in their order: (share of the rows, is it one tied value?).

    :param shares: of all rows for each distinct value, ascending by value.
    :return: None if ties are too few to matter.
    """
    tied = np.flatnonzero(shares >= _ATOM)
    if float(shares[tied].sum()) < _TIED:
        return None
    steps: list[tuple[float, bool]] = []
    reached = np.concatenate([[0.0], np.cumsum(shares)])
    last = 0
    for place in tied.tolist():
        if (between := float(reached[place] - reached[last])) > 0:
            steps.append((between, False))
        steps.append((float(shares[place]), True))
        last = place + 1
    if (rest := float(reached[-1] - reached[last])) > 0:
        steps.append((rest, False))
    return steps


def exceeds(level: float, steps: list[tuple[float, bool]]) -> float:
    """P(a Brownian bridge reaches ``level`` or ``-level``), looked at between tied values only.

    That is the limit law of the two-sample Kolmogorov-Smirnov statistic, times the root of n m / (n + m), when the
    pooled sample has these ties: inside a tied value the empirical distributions are not compared. Computed as a chain
    of Brownian transitions on Gauss-Legendre nodes; untied stretches take the transition density that is killed at the
    two barriers (method of images, e.g. Borodin and Salminen, Handbook of Brownian Motion, 2002, 1.15.8).

    :param level: above 0.4; below that it is certain.
    :return: not below 1e-9.
    """
    if level <= _CERTAIN:
        return 1.0
    size = max(_LEAST_NODES, math.ceil(2 * level / _SPACING))
    nodes, weights = (one * level for one in _nodes(size))
    start, end = np.zeros(1), np.zeros(1)
    mass: Floats = np.ones(1)
    places = start
    for number, (time, tied) in enumerate(steps):
        last = number == len(steps) - 1
        to = end if last else nodes
        mass = mass @ _transition(places, to, time, None if tied else level)
        if not last:
            mass = mass * weights
            places = nodes
    stays = float(mass[0]) * math.sqrt(2 * math.pi)  # given that the path ends in 0
    return min(1.0, max(_LEAST_P, 1.0 - stays))


def _transition(start: Floats, end: Floats, time: float, level: float | None) -> Floats:
    """Density of going from ``start`` to ``end`` in ``time``, without touching +-``level`` if there is one."""
    one, other = start[:, None], end[None, :]
    if level is None:
        return _density(other - one, time)
    most = _IMAGES[int(level >= 1.2)]
    images = range(-most, most + 1)
    return np.asarray(
        sum(
            _density(other - one + 4 * k * level, time)
            - _density(other + one - 2 * level + 4 * k * level, time)
            for k in images
        ),
        dtype=np.float64,
    )


@cache
def _nodes(size: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return nodes, weights


def _density(distance: Floats, time: float) -> Floats:
    return np.asarray(np.exp(-(distance**2) / (2 * time)) / math.sqrt(2 * math.pi * time), dtype=np.float64)
