"""Columns cut into the pieces that slices are made of, without a look at labels or losses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.evaluation.conditions import Between, Condition, Is
from airflow_mlops.core.evaluation.slices import MISSING, TIME_PARTS, numbers_of, slice_column, values_of
from airflow_mlops.core.training.matrix import level_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Numbers with at most so many different values are taken value by value (hours, small counts).
_FEW = 24
#: Most values of a column of texts, the most frequent ones.
_MOST_VALUES = 50
_MOST_BINS = 8
#: A bound may be rounded if it moves across at most this share of the rows.
_ROUNDING = 0.002


@dataclass(frozen=True)
class Bins:
    """A column in pieces.

    :param codes: the piece of each row; ``pieces`` for a row in none, e.g. of a rare value.
    :param pieces: how many there are.
    :param edges: the first ``len(edges) + 1`` pieces are neighbouring ranges that meet at these numbers.
    :param names: texts of pieces that are values; a range has none.
    """

    column: str
    codes: NDArray[np.int64]
    pieces: int
    edges: tuple[float, ...] = ()
    names: tuple[str | None, ...] = ()

    @property
    def ranges(self) -> int:
        """How many of the pieces are neighbouring ranges, in order."""
        return len(self.edges) + 1 if self.edges else 0

    def condition(self, low: int, high: int) -> Condition:
        """The pieces from ``low`` up to and without ``high`` as a condition on the column."""
        name = self.names[low]
        if high == low + 1 and name is not None:
            return Is(self.column, name)
        return Between(
            self.column,
            self.edges[low - 1] if low else None,
            self.edges[high - 1] if high < self.ranges else None,
        )


def bins_of(frame: pd.DataFrame, column: str, min_rows: int) -> list[Bins]:
    """A column in pieces; of a column of times, its hours and its weekdays.

    Columns with one piece only are left out: there is nothing to compare.

    :raises DataError: for a column that is neither text, number, boolean nor time.
    """
    import pandas as pd

    names = [column]
    if pd.api.types.is_datetime64_any_dtype(frame[column]):
        names = [f"{column}.{part}" for part in TIME_PARTS]
    cut = [_cut(slice_column(frame, name), min_rows) for name in names]
    return [bins for bins in cut if bins.pieces > 1]


def _cut(column: pd.Series, min_rows: int) -> Bins:
    import numpy as np

    numbers = numbers_of(column)
    if numbers is None:
        return _by_value(column, min_rows)
    present = np.sort(numbers[np.isfinite(numbers)])
    distinct = np.unique(present)
    few = len(distinct) <= _FEW
    edges = distinct[1:] if few else _quantiles(present, min_rows)
    codes = np.searchsorted(edges, numbers, side="right")
    pieces = len(edges) + 1 if len(distinct) else 0
    codes[~np.isfinite(numbers)] = pieces
    names: list[str | None] = [level_text(value) for value in distinct] if few else [None] * pieces
    if np.isnan(numbers).any():
        # Infinite numbers are in no piece, and the missing ones in the last.
        codes[np.isinf(numbers)] = pieces + 1
        names.append(MISSING)
    return Bins(str(column.name), codes, len(names), tuple(edges.tolist()), tuple(names))


def _by_value(column: pd.Series, min_rows: int) -> Bins:
    import numpy as np
    import pandas as pd

    places, texts = pd.factorize(values_of(column))
    counts = np.bincount(places, minlength=len(texts))
    order = sorted(range(len(texts)), key=lambda place: (-counts[place], texts[place]))
    kept = [place for place in order[:_MOST_VALUES] if counts[place] >= min_rows]
    table = np.full(len(texts), len(kept))
    table[kept] = np.arange(len(kept))
    return Bins(str(column.name), table[places], len(kept), names=tuple(str(texts[place]) for place in kept))


def _quantiles(present: NDArray[np.float64], min_rows: int) -> NDArray[np.float64]:
    """Bounds of up to eight ranges of about equally many rows; so few that pairs of them are not too small."""
    import numpy as np

    count = int(np.clip(math.sqrt(len(present) / min_rows), 2, _MOST_BINS))
    wanted = np.unique(np.quantile(present, np.arange(1, count) / count, method="higher"))
    rounded = np.unique([_rounded(float(edge), present) for edge in wanted])
    return np.asarray(rounded[(rounded > present[0]) & (rounded <= present[-1])], dtype=np.float64)


def _rounded(edge: float, present: NDArray[np.float64]) -> float:
    """The shortest number near ``edge`` that splits the rows in about the same way, for people to read."""
    import numpy as np

    place = int(np.searchsorted(present, edge))
    size = 0 if edge == 0 else math.floor(math.log10(abs(edge)))
    for digits in range(-size, 16 - size):
        short = round(edge, digits)
        if abs(int(np.searchsorted(present, short)) - place) <= _ROUNDING * len(present):
            return float(short)
    return edge
