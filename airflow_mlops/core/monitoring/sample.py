"""One side of one column, as drift is computed from it: sorted numbers, or counted categories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Numbers:
    """The values of a column of numbers.

    :param values: finite, sorted ascending; ``missing``: how many more rows have none.
    """

    values: NDArray[np.float64]
    missing: int

    @property
    def rows(self) -> int:
        """All rows, those without a value included."""
        return len(self.values) + self.missing


@dataclass(frozen=True)
class Categories:
    """The values of a column of categories, as text.

    :param counts: rows per value; ``missing``: how many more rows have none.
    """

    counts: Mapping[str, int]
    missing: int

    @property
    def rows(self) -> int:
        """All rows, those without a value included."""
        return sum(self.counts.values()) + self.missing


Sample = Numbers | Categories
