"""Distances of two distributions; 0 when they are alike. They need NumPy only.

Each gives what Evidently's method of the same name gives, from sorted values or counts instead of rows.
"""

from __future__ import annotations

import numpy as np

from airflow_mlops.core.monitoring.sample import Categories, Sample
from airflow_mlops.core.monitoring.statistics.counting import (
    Counts,
    Floats,
    counts_of_both,
    distinct,
    histogram,
    numbers,
    runs,
    sturges,
    values_of,
)

#: Values of the reference above which Evidently bins numbers instead of counting each value.
_FEW = 20
_LEAST_SHARE = 0.0001
_LEAST_DEVIATION = 0.001
#: Values of the reference that are merged with the current ones at a time: it bounds the memory.
_BLOCK = 1 << 17


def wasserstein(reference: Sample, current: Sample) -> float:
    """The first Wasserstein distance, in standard deviations of the reference (but at least 0.001)."""
    first, second = numbers(reference, current)
    return _earth_mover(first, second) / max(float(np.std(first)), _LEAST_DEVIATION)


def energy(reference: Sample, current: Sample) -> float:
    """The energy distance: the root of twice the integral of (F - G)^2 (Szekely 2003, as in SciPy)."""
    first, second = numbers(reference, current)
    places = np.concatenate((first, second))
    places.sort(kind="stable")
    steps = np.diff(places)
    apart = np.searchsorted(first, places[:-1], "right") / len(first)
    apart -= np.searchsorted(second, places[:-1], "right") / len(second)
    return float(np.sqrt(2.0 * np.dot(np.square(apart), steps)))


def jensen_shannon(reference: Sample, current: Sample) -> float:
    """The root of the Jensen-Shannon divergence, in nats: 0 to sqrt(ln 2)."""
    first, second = shares(reference, current)
    first, second = first / first.sum(), second / second.sum()
    middle = (first + second) / 2.0
    both = _relative_entropy(first, middle) + _relative_entropy(second, middle)
    return float(np.sqrt(max(both, 0.0) / 2.0))


def kullback_leibler(reference: Sample, current: Sample) -> float:
    """The Kullback-Leibler divergence of the reference from the current side, in nats."""
    first, second = (_filled(side) for side in shares(reference, current))
    return _relative_entropy(first / first.sum(), second / second.sum())


def stability_index(reference: Sample, current: Sample) -> float:
    """The population stability index: the sum of (p - q) ln(p / q)."""
    first, second = (_filled(side) for side in shares(reference, current))
    return float(np.sum((first - second) * np.log(first / second)))


def hellinger(reference: Sample, current: Sample) -> float:
    """The Hellinger distance, 0 to 1: of numbers by the densities in bins, however few values they have."""
    if isinstance(reference, Categories):
        counted = counts_of_both(reference, current)
        first, second = counted[0] / values_of(reference), counted[1] / values_of(current)
        overlap = float(np.sum(np.sqrt(first * second)))
    else:
        overlap = _overlap(*numbers(reference, current))
    return float(np.sqrt(1.0 - min(max(overlap, 0.0), 1.0)))


def shares(reference: Sample, current: Sample) -> tuple[Floats, Floats]:
    """The share of the rows with a value that each value has, or each bin where numbers have many values."""
    found: tuple[Counts, Counts]
    if isinstance(reference, Categories) or distinct(reference, _FEW) <= _FEW:
        found = counts_of_both(reference, current)
    else:
        first, second = numbers(reference, current)
        low, high = min(first[0], second[0]), max(first[-1], second[-1])
        edges = sturges(float(low), float(high), len(first) + len(second))
        found = histogram(first, edges), histogram(second, edges)
    return found[0] / values_of(reference), found[1] / values_of(current)


def _earth_mover(first: Floats, second: Floats) -> float:
    """The integral of the difference of the two quantile functions over 0 to 1, which is that of the distribution
    functions over the values (Vallender 1974).

    Each value stands for an equal part of 0 to 1, so where one of the functions jumps is known without a look at the
    values: nothing is searched. Places are counted in units of 1 / (rows of one side x rows of the other).
    """
    rows, others = len(first), len(second)
    if rows == others:
        return float(np.mean(np.abs(first - second)))
    total = 0.0
    for start in range(0, rows, _BLOCK):
        stop = min(start + _BLOCK, rows)
        jumps = np.arange(-(-start * others // rows), -(-stop * others // rows)) * rows
        places = np.concatenate((np.arange(start, stop) * others, jumps))
        places.sort(kind="stable")  # two sorted runs: a merge
        apart = np.abs(first[places // others] - second[places // rows])
        total += float(np.dot(apart, np.diff(places, append=stop * others)))
    return total / (rows * others)


def _overlap(first: Floats, second: Floats) -> float:
    together = np.union1d(runs(first)[0], runs(second)[0])
    edges = sturges(float(together[0]), float(together[-1]), len(together))
    width = (edges[-1] - edges[0]) / (len(edges) - 1)
    one, other = (histogram(side, edges) / np.diff(edges) / len(side) for side in (first, second))
    return float(np.sum(np.sqrt(one * other)) * width)


def _relative_entropy(first: Floats, second: Floats) -> float:
    there = first > 0
    return float(np.sum(first[there] * np.log(first[there] / second[there])))


def _filled(side: Floats) -> Floats:
    """Shares without a zero, as Evidently fills them in."""
    least = float(side[side > 0].min())
    return np.where(side == 0, least / 10**6 if least <= _LEAST_SHARE else _LEAST_SHARE, side)
