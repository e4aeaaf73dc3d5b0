"""All slices of up to two columns, and sums over each of them: by one sparse product instead of one pass for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.evaluation.bins import Bins
from airflow_mlops.core.evaluation.conditions import Condition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Entries of the sparse matrix of a family; bounds the memory of a search to some 250 MB.
_MOST_ENTRIES = 10_000_000


@dataclass(frozen=True)
class Part:
    """Neighbouring pieces of one column, from ``low`` up to and without ``high``."""

    bins: Bins
    low: int
    high: int

    @property
    def condition(self) -> Condition:
        """As a slice says it."""
        return self.bins.condition(self.low, self.high)

    @property
    def rows(self) -> NDArray[np.bool_]:
        """The rows in it."""
        if self.high == self.low + 1:
            found: NDArray[np.bool_] = self.bins.codes == self.low
        else:
            found = (self.bins.codes >= self.low) & (self.bins.codes < self.high)
        return found


@dataclass(frozen=True)
class Family:
    """Slices over some columns and pairs of columns, each with at least ``min_rows`` rows and at most half of all.

    With more than half of the rows it would be the rule, and the other rows the exception.

    :param parts: of each slice, one or two.
    :param rows: of each slice.
    """

    parts: list[tuple[Part, ...]]
    rows: NDArray[np.float64]
    _cells: Any
    _slices: Any

    def sums(self, values: NDArray[Any]) -> NDArray[Any]:
        """Sums over the rows of each slice: slices x columns of ``values`` (rows x columns)."""
        found: NDArray[Any] = self._slices @ (self._cells.T @ values)
        return found


def families(columns: Sequence[Bins], max_features: int, min_rows: int) -> Iterator[Family]:
    """All slices, in families that fit into memory.

    Of one column: every piece, and every run of neighbouring ranges. Of two: every piece of one with every piece of the
    other.
    """
    blocks: list[tuple[Bins, ...]] = [(one,) for one in columns]
    if max_features > 1:
        blocks += [pair for pair in combinations(columns, 2) if pair[0].column != pair[1].column]
    step = max(1, _MOST_ENTRIES // max(1, len(columns[0].codes))) if columns else 1
    for start in range(0, len(blocks), step):
        family = _family(blocks[start : start + step], min_rows)
        if family.parts:
            yield family


def _family(blocks: list[tuple[Bins, ...]], min_rows: int) -> Family:
    import numpy as np
    from scipy import sparse

    rows = len(blocks[0][0].codes)
    places = np.empty((rows, len(blocks)), dtype=np.int32)
    found: list[_Candidate] = []
    offset = 0
    for number, block in enumerate(blocks):
        cells = _cells(block)
        places[:, number] = cells + offset
        counts = np.bincount(cells, minlength=int(np.prod([one.pieces + 1 for one in block])))
        made = _singles(block[0], counts) if len(block) == 1 else _pairs(block[0], block[1], counts)
        found += [
            _Candidate(one.parts, one.cells + offset, one.rows)
            for one in made
            if min_rows <= one.rows <= rows // 2
        ]
        offset += len(counts)
    return Family(
        [one.parts for one in found],
        np.array([one.rows for one in found], dtype=np.float64),
        _ones(sparse, places.ravel(), np.arange(rows + 1) * len(blocks), offset),
        _ones(
            sparse,
            np.concatenate([np.empty(0, dtype=np.int32), *(one.cells for one in found)]),
            np.cumsum([0, *(len(one.cells) for one in found)]),
            offset,
        ),
    )


@dataclass(frozen=True)
class _Candidate:
    parts: tuple[Part, ...]
    cells: NDArray[np.int64]
    rows: int


def _ones(sparse: Any, columns: NDArray[Any], ends: NDArray[np.int64], width: int) -> Any:
    """A sparse matrix of ones: their columns, row by row, and where each row ends."""
    import numpy as np

    ones = np.ones(len(columns), dtype=np.float32)
    return sparse.csr_array((ones, columns, ends), shape=(len(ends) - 1, width))


def _cells(block: tuple[Bins, ...]) -> NDArray[np.int64]:
    """The cell of each row: a piece of one column, or of each of two; the last one of each is in no slice."""
    if len(block) == 1:
        return block[0].codes
    return block[0].codes * (block[1].pieces + 1) + block[1].codes


def _singles(bins: Bins, counts: NDArray[np.int64]) -> Iterator[_Candidate]:
    import numpy as np

    runs = [(low, low + 1) for low in range(bins.pieces)]
    runs += [
        (low, high)
        for low in range(bins.ranges)
        for high in range(low + 2, bins.ranges + 1)
        if high - low < bins.ranges
    ]
    for low, high in runs:
        yield _Candidate((Part(bins, low, high),), np.arange(low, high), int(counts[low:high].sum()))


def _pairs(one: Bins, two: Bins, counts: NDArray[np.int64]) -> Iterator[_Candidate]:
    import numpy as np

    for cell in np.flatnonzero(counts).tolist():
        first, second = divmod(cell, two.pieces + 1)
        if first < one.pieces and second < two.pieces:
            parts = (Part(one, first, first + 1), Part(two, second, second + 1))
            yield _Candidate(parts, np.array([cell]), int(counts[cell]))
