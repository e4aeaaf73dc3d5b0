"""Numbers in a range, kept as counts per cell: constant memory, and sums of parts are the sum of the whole.

A number between two cells counts as a fraction in each, by its distance: its mean is kept exactly. The log of
a capital factor is concave in the number, so the capital of the cells is at most that of the number itself
(Jensen): what is lost by rounding is lost by the gambler, and no error probability rises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from airflow_mlops.core.rollout.betting import Floats, Indices


@dataclass(frozen=True)
class Grid:
    """Cells at equal distances from ``low`` to ``high``, both ends included."""

    low: float
    high: float
    steps: int

    @property
    def size(self) -> int:
        """How many cells."""
        return self.steps + 1

    @property
    def values(self) -> Floats:
        """The number that each cell stands for."""
        return np.linspace(self.low, self.high, self.size)

    def counts(self, numbers: Floats, groups: Indices | None = None, size: int = 1) -> Floats:
        """Counts per group and cell.

        :param numbers: within the range; beyond it they count as its end.
        :param groups: a group for each number, from 0 to ``size`` - 1; without it all are in group 0.
        :return: array of shape (size, cells).
        """
        place = np.clip((numbers - self.low) / (self.high - self.low), 0.0, 1.0) * self.steps
        left = np.minimum(place.astype(np.int64), self.steps - 1)
        part = place - left
        offset = left if groups is None else left + groups * self.size
        length = size * self.size
        found = np.bincount(offset, weights=1.0 - part, minlength=length)
        found += np.bincount(offset + 1, weights=part, minlength=length)
        return np.asarray(found.reshape(size, self.size), dtype=np.float64)


#: Of outcomes per request.
UNIT = Grid(0.0, 1.0, 128)
#: Of differences of the two outcomes of one request.
DIFFERENCE = Grid(-1.0, 1.0, 512)


class Counts:
    """Counts per group and cell that grow: only groups that something was counted in take memory.

    :param groups: how many there are.
    """

    def __init__(self, grid: Grid, groups: int = 1) -> None:
        self._grid, self._groups = grid, groups
        self._rows: dict[int, Floats] = {}

    def add(self, numbers: Floats, groups: Indices | None = None) -> None:
        """Count numbers; see :meth:`Grid.counts`."""
        found = self._grid.counts(numbers, groups, self._groups)
        for row in np.flatnonzero(found.any(axis=1)).tolist():
            self._add(row, found[row])

    def merge(self, other: Counts) -> None:
        """Add what ``other`` has counted."""
        for row, counts in other._rows.items():
            self._add(row, counts)

    def dense(self) -> Floats:
        """All counts, as an array of shape (groups, cells)."""
        found = np.zeros((self._groups, self._grid.size))
        for row, counts in self._rows.items():
            found[row] = counts
        return found

    def _add(self, row: int, counts: Floats) -> None:
        known = self._rows.get(row)
        self._rows[row] = counts.copy() if known is None else known + counts
