"""How often each value stands on two sides, and histograms, from sorted values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def values_of(sample: Sample) -> int:
    """How many rows have a value."""
    return sample.rows - sample.missing


def runs(values: Floats) -> tuple[Floats, Counts]:
    """The distinct values of a sorted array, and how often each stands in it."""
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1]))[: len(values)])
    return values[starts], np.diff(starts, append=len(values))


def distinct(sample: Sample, most: int) -> int:
    """How many values a sample has; counting stops above ``most``, so that it costs next to nothing."""
    if isinstance(sample, Categories):
        return len(sample.counts)
    return len(_first_values(sample.values, most))


def distinct_of_both(reference: Sample, current: Sample, most: int) -> int:
    """How many values two samples of the same kind have together; counting stops above ``most``."""
    if isinstance(reference, Categories) and isinstance(current, Categories):
        return len(reference.counts.keys() | current.counts.keys())
    first, second = numbers(reference, current)
    return len({*_first_values(first, most), *_first_values(second, most)})


def numbers(reference: Sample, current: Sample) -> tuple[Floats, Floats]:
    """The sorted values of two samples of numbers. :raises TypeError: if one is none."""
    if not isinstance(reference, Numbers) or not isinstance(current, Numbers):
        raise TypeError("one side holds categories")
    return reference.values, current.values


def counts_of_both(reference: Sample, current: Sample) -> tuple[Counts, Counts]:
    """How often each value that stands on either side is found on both, in the order of the values."""
    if isinstance(reference, Categories) and isinstance(current, Categories):
        keys = sorted(reference.counts.keys() | current.counts.keys())
        first, second = ([side.counts.get(key, 0) for key in keys] for side in (reference, current))
        return np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)
    sides = [runs(values) for values in numbers(reference, current)]
    together = np.union1d(sides[0][0], sides[1][0])
    found = []
    for values, counts in sides:
        placed = np.zeros(len(together), dtype=np.int64)
        placed[np.searchsorted(together, values)] = counts
        found.append(placed)
    return found[0], found[1]


def sturges(low: float, high: float, size: int) -> Floats:
    """Edges of equal bins from ``low`` to ``high``, as many as Sturges' rule gives for ``size`` values.

    As ``numpy.histogram_bin_edges`` (bins="sturges") makes them, which would sort through all values.
    """
    width = (high - low) / (math.log2(size) + 1.0)
    bins = math.ceil((high - low) / width) if width else 1
    return np.histogram_bin_edges(np.array([low, high]), bins=bins)


def histogram(values: Floats, edges: Floats) -> Counts:
    """Rows of a sorted array in each bin; the last bin includes its right edge."""
    places = np.searchsorted(values, edges[:-1], side="left")
    return np.diff(places, append=np.searchsorted(values, edges[-1], side="right"))


def _first_values(values: Floats, most: int) -> list[float]:
    """The lowest values of a sorted array, one more than ``most`` of them at the most."""
    found: list[float] = []
    start = 0
    while start < len(values) and len(found) <= most:
        found.append(float(values[start]))
        start = int(np.searchsorted(values, values[start], side="right"))
    return found
