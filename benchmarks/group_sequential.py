"""Boundaries of group sequential tests, by the recursive integration of Armitage, McPherson & Rowe (1969).

The sum of standardised increments, S_k = Z_k sqrt(k) with k equally spaced looks, is a random walk with standard normal
steps. The density of a walk that has not been stopped yet is integrated over the continuation region, look by look, on
Gauss-Legendre nodes (Jennison & Turnbull, "Group Sequential Methods", 1999, chapter 19).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(300)
#: Standard deviations beyond which a walk is taken not to be.
_FAR = 8.0


def crossing(bounds: Sequence[float], two_sided: bool = False) -> Floats:
    """Chance of having been stopped by each look if nothing changed.

    :param bounds: stop at look k if Z_k is at least ``bounds[k - 1]`` (its absolute value if two-sided).
    """
    walk, stopped = _Walk(), []
    for look, bound in enumerate(bounds, 1):
        upper = bound * look**0.5
        stopped.append(walk.beyond(upper) * (2 if two_sided else 1))
        walk = walk.step(-upper if two_sided else -_FAR * look**0.5, min(upper, _FAR * look**0.5))
    return np.cumsum(stopped)


@lru_cache
def obrien_fleming(looks: int, alpha: float) -> tuple[float, ...]:
    """The bounds of O'Brien & Fleming (Biometrics 35, 1979): Z_k >= C sqrt(looks / k), two-sided at ``alpha``."""
    shape = np.sqrt(looks / np.arange(1, looks + 1))
    constant = brentq(lambda c: crossing(c * shape, two_sided=True)[-1] - alpha, 1.0, 5.0, xtol=1e-10)
    return tuple(constant * shape)


@lru_cache
def lan_demets(looks: int, alpha: float) -> tuple[float, ...]:
    """One-sided bounds that spend ``alpha`` as O'Brien & Fleming's do.

    By information t, 2 - 2 Phi(z / sqrt(t)) is spent, where z is the upper ``alpha / 2`` quantile (Lan & DeMets,
    Biometrika 70, 1983).
    """
    walk, bounds, before = _Walk(), [], 0.0
    for look in range(1, looks + 1):
        spent = 2 * float(ndtr(ndtri(alpha / 2) / np.sqrt(look / looks)))
        upper = _solve(walk, spent - before, _FAR * 2 * look**0.5)
        bounds.append(upper / look**0.5)
        walk, before = walk.step(-_FAR * look**0.5, min(upper, _FAR * look**0.5)), spent
    return tuple(bounds)


def _solve(walk: _Walk, chance: float, highest: float) -> float:
    """Where the next step of the walk ends up beyond with the given chance."""
    if walk.beyond(highest) >= chance:
        return highest
    return float(brentq(lambda x: walk.beyond(x) / chance - 1, 0.0, highest, xtol=1e-10))


class _Walk:
    """Where a walk that has not been stopped is: nodes, and density times weight at each."""

    def __init__(self, nodes: Floats | None = None, mass: Floats | None = None) -> None:
        self._nodes = np.zeros(1) if nodes is None else nodes
        self._mass = np.ones(1) if mass is None else mass

    def beyond(self, x: float) -> float:
        """Chance that it was not stopped before and is beyond ``x`` after its next step."""
        return float(self._mass @ ndtr(self._nodes - x))

    def step(self, lower: float, upper: float) -> _Walk:
        """The walk after its next step, where it is stopped outside of the given interval."""
        nodes = lower + (upper - lower) * (_NODES + 1) / 2
        steps = np.exp(-((nodes[:, None] - self._nodes) ** 2) / 2) / np.sqrt(2 * np.pi)
        return _Walk(nodes, (steps @ self._mass) * _WEIGHTS * (upper - lower) / 2)
