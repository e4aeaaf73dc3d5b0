"""Which labels are likely wrong, and how likely: from labels and out-of-fold probabilities alone.

The model: each label is wrong with probability e, then it is any of the other classes alike, whatever the features
are. So the observed probability of a class is ``d + (1 - e - d) p`` with p its true probability and d = e / (K - 1),
and by Bayes a given label k is wrong with probability ``1 - (1 - e) p_k / (d + (1 - e - d) p_k)``.

e can be seen only where the truth is certain: there, all odd labels are errors (Scott, Blanchard and Handy, 2013:
mixture proportions; Northcutt, Jiang and Chuang, 2021, call such rows confident). If no group of rows is certain, what
is found is an upper bound, and no method can do better without knowing more: uniform noise that nature makes is label
noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: From so many rows on, the calibration is a free monotone curve; below, a curve of one parameter.
MANY_ROWS = 20_000
_SHARES = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
_LEAST_ROWS = 100
#: The clearest rows are chosen among some thirty groups by their upper bound: three sigma hold for all of them.
_SIGMAS = 3.0
#: So large a share of rows with the same rate of odd labels is no end of a slope.
_PLATEAU = 0.2
_Z = 1.96
_FLOOR = 1e-4


@dataclass(frozen=True)
class ErrorRate:
    """The share of wrong labels, its 95 % interval, and whether some rows are clear enough to know (``certain``)."""

    rate: float
    low: float
    high: float
    certain: bool


@dataclass(frozen=True)
class Suspects:
    """Rows by how likely their label is wrong.

    :param score: for each row, the probability that its label is wrong.
    :param order: all rows, the likeliest error first.
    :param mask: rows with a score above one half.
    :param suggested: the likeliest other class of each row.
    :param precision: expected share of real errors among ``mask``, with its 95 % interval; None without suspects.
    """

    score: NDArray[np.float64]
    order: NDArray[np.int64]
    mask: NDArray[np.bool_]
    suggested: NDArray[np.int64]
    noise: ErrorRate
    precision: tuple[float, float, float] | None


def find_suspects(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Suspects:
    """Rank rows by how likely their label is wrong.

    :param labels: n classes as 0 .. K-1, at least two.
    :param probabilities: n x K, each row from models that did not see the row.
    :raises DataError: if they do not fit one another, or there is one class only.
    """
    _check(labels, probabilities)
    given = np.arange(len(labels)), labels
    if len(labels) >= MANY_ROWS:
        noise, observed = estimate_rate(labels, probabilities), _monotone(labels, probabilities)
    else:
        noise, observed = _sharpened(labels, probabilities)
    posterior = _posterior(observed, noise.rate)
    score = posterior[given]
    mask = score > 0.5
    others = probabilities.copy()
    others[given] = -1.0
    return Suspects(
        score=score,
        order=np.lexsort((probabilities[given], -score)),
        mask=mask,
        suggested=others.argmax(axis=1),
        noise=noise,
        precision=_precision(observed[given][mask], noise, probabilities.shape[1]),
    )


def estimate_rate(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> ErrorRate:
    """The share of odd labels among the clearest rows: those with the least upper bound of that share.

    With two classes the clearest rows of either class count, since errors are taken to hit both alike.
    """
    regions = list(_regions(labels, probabilities))
    _, odd, rows = min((wilson(odd, rows, _SIGMAS)[1], odd, rows) for _, odd, rows in regions)
    low, high = wilson(odd, rows, _Z)
    plateau = max(share for share, odd_there, there in regions if odd_there / there <= high)
    certain = plateau >= _PLATEAU
    return ErrorRate(odd / rows, low if certain else 0.0, high, certain)


def wilson(hits: float, rows: int, z: float) -> tuple[float, float]:
    """Wilson's interval of a share, z standard errors wide."""
    share = hits / rows
    middle = share + z * z / (2 * rows)
    spread = z * math.sqrt(share * (1 - share) / rows + (z / (2 * rows)) ** 2)
    scale = 1 + z * z / rows
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def _check(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> None:
    if probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise DataError(
            "probabilities do not fit the labels",
            given=f"{probabilities.shape} for {len(labels)} labels",
            expected="a row for each label and a column for each class",
        )
    if len(np.unique(labels)) < 2:
        raise DataError("labels are all of one class: there is nothing to tell apart", expected="two classes")
    if not np.isfinite(probabilities).all() or labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise DataError(
            "labels or probabilities are out of range", expected="classes 0 .. K-1, finite numbers"
        )


def _regions(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Iterator[tuple[float, int, int]]:
    """Share, odd labels and rows of ever smaller groups of ever clearer rows."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    groups = [np.arange(len(labels))]
    if probabilities.shape[1] == 2:
        groups += [one for c in (0, 1) if len(one := np.flatnonzero(predicted == c)) >= 2 * _LEAST_ROWS]
    for group in groups:
        ranked = group[np.argsort(-confidence[group], kind="stable")]
        odd = np.cumsum(predicted[ranked] != labels[ranked])
        for share in _SHARES:
            rows = round(share * len(ranked))
            if rows >= min(_LEAST_ROWS, len(ranked)):
                yield share, int(odd[rows - 1]), rows


def _monotone(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Observed probability of each class: isotonic in the model's, pooled over rows and classes."""
    from sklearn.isotonic import IsotonicRegression

    seen = np.zeros_like(probabilities)
    seen[np.arange(len(labels)), labels] = 1
    curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted = np.asarray(curve.fit_transform(probabilities.ravel(), seen.ravel()), dtype=np.float64)
    return fitted.reshape(probabilities.shape)


def _sharpened(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> tuple[ErrorRate, NDArray[np.float64]]:
    """Maximum likelihood of e and of one exponent that sharpens the probabilities (Guo and others, 2017)."""
    from scipy.optimize import minimize

    logs = np.log(np.clip(probabilities, _FLOOR, 1))
    given = np.arange(len(labels)), labels

    def observed(at: NDArray[np.float64]) -> NDArray[np.float64]:
        raised = np.exp((scaled := logs * math.exp(at[0])) - scaled.max(axis=1, keepdims=True))
        rate = 1 / (1 + math.exp(-at[1]))
        other = rate / (logs.shape[1] - 1)
        return other + (1 - rate - other) * (raised / raised.sum(axis=1, keepdims=True))

    def loss(at: NDArray[np.float64]) -> float:
        return -float(np.log(np.maximum(observed(at)[given], 1e-12)).mean())

    options = {"xatol": 1e-3, "fatol": 1e-7, "maxiter": 300}
    found = [minimize(loss, [s, -3.0], method="Nelder-Mead", options=options) for s in (0.0, 1.0)]
    best = min(found, key=lambda one: float(one.fun)).x
    rate = 1 / (1 + math.exp(-best[1]))
    low, high = wilson(rate * len(labels), len(labels), _Z)
    certain = estimate_rate(labels, probabilities).certain
    return ErrorRate(rate, low if certain else 0.0, high, certain), observed(best)


def _posterior(observed: NDArray[np.float64], rate: float) -> NDArray[np.float64]:
    """For each row and class, the probability that the label is wrong if it is this one."""
    other = rate / (observed.shape[1] - 1)
    true = np.clip((observed - other) / max(1 - rate - other, 1e-9), 0, 1)
    posterior: NDArray[np.float64] = np.clip(other * (1 - true) / np.maximum(observed, 1e-12), 0, 1)
    return posterior


def _precision(
    observed: NDArray[np.float64], noise: ErrorRate, classes: int
) -> tuple[float, float, float] | None:
    """Mean score of the suspects; its interval holds the error of the rate and the chance of so few rows."""
    if not len(observed):
        return None

    def at(rate: float) -> float:
        other = rate / (classes - 1)
        true = np.clip((observed - other) / max(1 - rate - other, 1e-9), 0, 1)
        return float(np.clip(other * (1 - true) / np.maximum(observed, 1e-12), 0, 1).mean())

    share = at(noise.rate)
    low, high = wilson(share * len(observed), len(observed), _Z)
    below = share - math.hypot(share - at(noise.low), share - low) if noise.certain else 0.0
    return share, max(0.0, below), min(1.0, share + math.hypot(at(noise.high) - share, high - share))
