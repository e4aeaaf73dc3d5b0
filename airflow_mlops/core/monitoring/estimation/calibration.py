"""How often a score comes true: the calibration of a champion, learned on rows that it did not learn from.

What is not known of it is drawn along: the map is fitted again on blocks of time that are drawn with replacement
(Carlstein, Annals of Statistics 14, 1986), and a period may lie off the map as whole as the held-out periods do among
each other. That spread is DerSimonian and Laird's between-study variance ("Meta-analysis in clinical trials",
Controlled Clinical Trials 7, 1986), with periods for studies and shifts of the log odds for effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Codes = NDArray[np.int64]

DRAWS = 400
#: Rows of the rarer label from which a free form is better than two parameters (Niculescu-Mizil & Caruana,
#: "Predicting good probabilities with supervised learning", ICML 2005, figure 8).
ISOTONIC_FROM = 1000
_BINS = 512
_CLIP = 1e-6
_BLOCKS = 30
_LEAST_BLOCKS = 8

Method = Literal["isotonic", "platt"]


@dataclass(frozen=True)
class Calibration:
    """A rising map from scores to probabilities, and what is not known of it.

    :param knots: scores, rising; ``fitted``: probabilities there; between them lie straight lines of the log odds.
    :param draws: the same of each bootstrap draw, draws x knots.
    :param spread: standard deviation by which the log odds of a whole period are off the map; ``degrees``: of freedom
        behind it.
    """

    method: Method
    knots: Floats
    fitted: Floats
    draws: Floats
    spread: float
    degrees: int

    def probabilities(self, scores: Floats) -> Floats:
        """The probability of 1 for each score."""
        return np.asarray(np.interp(scores, self.knots, self.fitted))

    def drawn(self, scores: Floats) -> Floats:
        """The probabilities of each draw, each with a period's shift of its own: draws x scores."""
        probabilities = np.stack([np.interp(scores, self.knots, one) for one in self.draws])
        if not self.spread:
            return probabilities
        shifts = self.spread * np.random.default_rng(1).standard_t(self.degrees, len(self.draws))
        return shifted(probabilities, shifts[:, None])


def shifted(probabilities: Floats, by: Floats) -> Floats:
    """Probabilities whose log odds are shifted; 0 and 1 stay what they are."""
    odds = probabilities * np.exp(by)
    return np.asarray(odds / (1 - probabilities + odds))


def calibrate(labels: Floats, scores: Floats, times: Codes, period: timedelta) -> Calibration:
    """Learn the map: isotonic (PAVA) or Platt's two parameters, by the number of rows of the rarer label.

    :param labels: 0 and 1, both there.
    :param times: when each row happened, in microseconds.
    :param period: length of the periods that are estimated with it.
    """
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, _BINS + 1)[1:-1]))
    _, places = np.unique(np.searchsorted(edges, scores, side="right"), return_inverse=True)
    rare = min(labels.sum(), len(labels) - labels.sum())
    method: Method = "isotonic" if rare >= ISOTONIC_FROM else "platt"
    width = int(places.max()) + 1
    knots = np.bincount(places, weights=scores, minlength=width) / np.bincount(places, minlength=width)
    hits, rows = _per_block(labels, places, time_blocks(times, _BLOCKS), width)
    fit = _isotonic if method == "isotonic" else _platt
    fitted = fit(knots, hits.sum(axis=0), rows.sum(axis=0), None)
    counts = np.random.default_rng(0).multinomial(len(hits), np.full(len(hits), 1 / len(hits)), DRAWS)
    draws = [fit(knots, one @ hits, one @ rows, fitted) for one in counts.astype(np.float64)]
    spread, degrees = _spread_of_periods(labels, np.interp(scores, knots, fitted), times, period)
    return Calibration(method, knots, fitted, np.stack(draws), spread, degrees)


def time_blocks(times: Codes, count: int) -> Codes:
    """The number of the block of equal time that each row lies in, from 0 and without gaps.

    Each row is a block of its own where hardly any block would have rows.
    """
    first, last = int(times.min()), int(times.max())
    places = (times - first) * count // (last - first + 1)
    _, blocks = np.unique(places, return_inverse=True)
    if int(blocks.max()) + 1 < min(count, _LEAST_BLOCKS):
        return np.arange(len(times))
    return np.asarray(blocks)


def _per_block(labels: Floats, places: Codes, blocks: Codes, width: int) -> tuple[Floats, Floats]:
    """Positives and rows: blocks x bins. At most a few hundred blocks, so that single rows are pooled."""
    blocks = blocks % 500
    count = int(blocks.max()) + 1
    cells = blocks * width + places
    hits = np.bincount(cells, weights=labels, minlength=count * width).astype(np.float64)
    rows = np.bincount(cells, minlength=count * width).astype(np.float64)
    return hits.reshape(count, width), rows.reshape(count, width)


def _isotonic(knots: Floats, hits: Floats, rows: Floats, base: Floats | None) -> Floats:
    """The rising fit; bins without a row in this draw take what the whole fit says."""
    from sklearn.isotonic import isotonic_regression

    tiny = 1e-6
    prior = hits.sum() / rows.sum() if base is None else base
    rates = (hits + tiny * prior) / (rows + tiny)
    return np.asarray(isotonic_regression(rates, sample_weight=rows + tiny), dtype=np.float64)


def _platt(knots: Floats, hits: Floats, rows: Floats, _: Floats | None) -> Floats:
    """Two parameters of the log odds, with Platt's targets ("Probabilistic outputs for support vector machines", 1999).

    By Newton's method; the targets lie within 0 and 1, so that the fit exists even where the labels are separable.
    """
    x = _log_odds(knots)
    x = np.stack([np.ones_like(x), x])
    ones, zeros = hits.sum(), rows.sum() - hits.sum()
    targets = hits * (ones + 1) / (ones + 2) + (rows - hits) / (zeros + 2)
    beta = np.array([0.0, 1.0])
    for _step in range(25):
        p = 1 / (1 + np.exp(-np.clip(beta @ x, -30, 30)))
        slope = x @ (targets - rows * p)
        curve = (x * (rows * p * (1 - p))) @ x.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        largest = float(np.abs(step).max())
        beta = beta + step * min(1.0, 2.0 / (largest + 1e-12))
        if largest < 1e-8:
            break
    return np.asarray(1 / (1 + np.exp(-np.clip(np.array([beta[0], max(beta[1], 0.0)]) @ x, -30, 30))))


def _log_odds(scores: Floats) -> Floats:
    sure = np.clip(scores, _CLIP, 1 - _CLIP)
    return np.asarray(np.log(sure) - np.log1p(-sure))


def _spread_of_periods(
    labels: Floats, probabilities: Floats, times: Codes, period: timedelta
) -> tuple[float, int]:
    """By how much the log odds of periods differ beyond chance, and the degrees of freedom of that."""
    blocks, share = periods_of(times, period)
    noise = np.bincount(blocks, weights=probabilities * (1 - probabilities))
    excess = np.bincount(blocks, weights=labels - probabilities)
    used = noise >= 1.0  # a block without anything to learn from has no shift
    if used.sum() < 3:
        return 0.0, 1
    variance = variance_between(excess[used] / noise[used], np.asarray(noise[used]))
    return float(np.sqrt(variance * share)), int(used.sum()) - 1


def periods_of(times: Codes, period: timedelta) -> tuple[Codes, float]:
    """The number of the period of each row, and the length of these over that of ``period``, at most 1.

    Where the rows span few periods, shorter blocks are compared, and their variance averages out over a period.
    """
    span = int(times.max()) - int(times.min()) + 1
    length = period // timedelta(microseconds=1)
    count = min(max(span // length, _LEAST_BLOCKS), len(times), span)
    return (times - times.min()) * count // span, min(1.0, span / count / length)


def variance_between(effects: Floats, precisions: Floats) -> float:
    """DerSimonian and Laird's estimate of the variance between, 0 where chance explains it all."""
    total = precisions.sum()
    mean = (precisions * effects).sum() / total
    chance = len(effects) - 1
    found = (precisions * (effects - mean) ** 2).sum()
    return max(0.0, float((found - chance) / (total - (precisions**2).sum() / total)))
