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
#: Fewer rows of a class are too few to look at on their own.
_LEAST_ROWS = 200
#: The end of the slope is fitted on so large a share of the rows, in so many rings, by these starts and powers.
_CLEARER = 0.7
_RINGS = 40
_STARTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_POWERS = (1, 2, 4, 8)
#: At the end of this share nature's part is to be below so much of the errors' part, or of all rows.
_CLEAREST = 0.2
_TOLERANCE = 0.05
_TRACE = 5e-4
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
    :param precision: expected share of real errors among ``mask``, with its 95 % interval; None without suspects. Where
        the error rate is not certain, the share is an upper bound and the interval begins at 0.
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
    """The share of odd labels that is left when rows get ever clearer.

    Rows are put in order by how clear they are, r from 0 to 1. Their share of odd labels is fitted by
    ``e + a max(0, r - s)^b`` over the clearer seven tenths (maximum likelihood): errors hit all rows alike, nature less
    and less, and none before s. If nature's part is gone at the end of the clearest fifth, e is seen (``certain``);
    otherwise it is where the slope happens to end. With two classes the rows of either class count, since errors are
    taken to hit both alike.
    """
    ends = list(_ends(labels, probabilities))
    plain = [one for one in ends if one.is_plain]
    best = min(plain or ends, key=lambda one: one.rate)
    if plain:
        # Each end is at least the errors' share; of those that can't be told from the least, the one with most rows.
        limit = best.interval[1]
        best = max((one for one in plain if one.rate <= limit), key=lambda one: one.rows)
    low, high = best.interval
    return ErrorRate(best.rate, low if plain else 0.0, high, bool(plain))


def wilson(hits: float, rows: float, z: float) -> tuple[float, float]:
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


@dataclass(frozen=True)
class _End:
    """Where the share of odd labels ends: ``natural`` is nature's part at the end of the clearest fifth, which has
    ``clearest`` rows, and ``rows`` are those where it is negligible.
    """

    rate: float
    natural: float
    clearest: float
    rows: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the rate."""
        return wilson(self.rate * self.rows, self.rows, _Z)

    @property
    def is_plain(self) -> bool:
        """Whether nature's part can't be seen beside the errors, or is less than the standard error of theirs."""
        error = math.sqrt(self.rate * (1 - self.rate) / self.clearest)
        return self.natural <= max(_TOLERANCE * self.rate, _TRACE, error)


def _ends(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> Iterator[_End]:
    """Of all rows, and of those of each of two predicted classes."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    groups = [np.arange(len(labels))]
    if probabilities.shape[1] == 2:
        groups += [one for c in (0, 1) if len(one := np.flatnonzero(predicted == c)) >= _LEAST_ROWS]
    for group in groups:
        ranked = group[np.argsort(-confidence[group], kind="stable")]
        yield _fit_end(predicted[ranked] != labels[ranked])


def _fit_end(odd: NDArray[np.bool_]) -> _End:
    """Fit ``e + a (r - s)^b`` to the odd labels of rows in order, the clearest first."""
    from scipy.optimize import minimize

    rows = max(1, round(_CLEARER * len(odd)))
    edges = np.linspace(0, rows, min(_RINGS, max(3, rows // 30)) + 1).round().astype(np.int64)
    edges = np.unique(edges)
    hits, sizes = np.add.reduceat(odd[:rows].astype(np.float64), edges[:-1]), np.diff(edges)
    middle = (edges[:-1] + edges[1:]) / 2 / len(odd)

    def loss(at: NDArray[np.float64], rise: NDArray[np.float64]) -> float:
        share = np.clip(np.exp(min(at[0], 0.0)) + np.exp(min(at[1], 50.0)) * rise, 1e-9, 1 - 1e-9)
        return -float((hits * np.log(share) + (sizes - hits) * np.log(1 - share)).sum())

    def fitted(start: float, power: int) -> tuple[float, float, float, float, int]:
        rise = np.maximum(middle - start, 0) ** power
        first = max(hits[:3].sum() / sizes[:3].sum(), 1e-5)
        guess = [math.log(first), math.log(max(hits[-1] / sizes[-1] - first, 1e-4) / rise[-1])]
        options = {"xatol": 1e-3, "fatol": 1e-3, "maxiter": 200}
        found = minimize(loss, guess, args=(rise,), method="Nelder-Mead", options=options)
        return float(found.fun), math.exp(min(found.x[0], 0.0)), math.exp(min(found.x[1], 50.0)), start, power

    _, rate, slope, start, power = min(fitted(start, power) for start in _STARTS for power in _POWERS)
    clear = start + (max(_TOLERANCE * rate, _TRACE) / slope) ** (1 / power)
    return _End(
        rate,
        natural=slope * max(_CLEAREST - start, 0.0) ** power,
        clearest=_CLEAREST * len(odd),
        rows=max(1.0, min(clear, _CLEARER) * len(odd)),
    )


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
        scaled = logs * math.exp(float(np.clip(at[0], -3, 5)))
        raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        rate = _rate(at[1])
        other = rate / (logs.shape[1] - 1)
        found: NDArray[np.float64] = other + (1 - rate - other) * (raised / raised.sum(axis=1, keepdims=True))
        return found

    def loss(at: NDArray[np.float64]) -> float:
        return -float(np.log(np.maximum(observed(at)[given], 1e-12)).mean())

    options = {"xatol": 1e-3, "fatol": 1e-7, "maxiter": 300}
    found = [minimize(loss, [s, -3.0], method="Nelder-Mead", options=options) for s in (0.0, 1.0)]
    best = min(found, key=lambda one: float(one.fun)).x
    rate = _rate(best[1])
    low, high = wilson(rate * len(labels), len(labels), _Z)
    certain = estimate_rate(labels, probabilities).certain
    return ErrorRate(rate, low if certain else 0.0, high, certain), observed(best)


def _rate(logit: float) -> float:
    """At most one half: beyond it, wrong labels would be the rule."""
    return 1 / (1 + math.exp(-float(np.clip(logit, -30, 0))))


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
