"""Which rows broke which expectations: one bit for each expectation, and the rows as they stream by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import read_places
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

#: Bits of one word; the sign bit is left alone.
BITS = 62


@dataclass(frozen=True)
class Marks:
    """Rows in the order of the files, each with the expectations that it broke.

    :param file: index in ``version.files``.
    :param row: index within that file.
    :param words: one row of words for each: bit ``n % BITS`` of word ``n // BITS`` stands for expectation ``n``.
    """

    file: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    words: npt.NDArray[np.int64]

    def broke(self, number: int) -> npt.NDArray[np.bool_]:
        """Whether each row broke an expectation."""
        found: npt.NDArray[np.bool_] = (self.words[:, number // BITS] >> (number % BITS)) & 1 == 1
        return found


def joined(parts: Sequence[Marks], expectations: int) -> Marks:
    """Marks one after another."""
    import numpy as np

    if not parts:
        return marks_of({}, expectations)
    return Marks(
        np.concatenate([one.file for one in parts]),
        np.concatenate([one.row for one in parts]),
        np.concatenate([one.words for one in parts]),
    )


def words_for(expectations: int) -> int:
    """How many words hold a bit for each expectation."""
    return max(1, -(-expectations // BITS))


def marks_of(places: Mapping[int, tuple[Any, Any]], expectations: int) -> Marks:
    """Marks of rows that were found one expectation at a time.

    :param places: for the number of an expectation, the files and rows that broke it.
    """
    import numpy as np

    count = words_for(expectations)
    empty = np.empty(0, dtype=np.int64)
    files = np.concatenate([empty, *(np.asarray(file, dtype=np.int64) for file, _ in places.values())])
    rows = np.concatenate([empty, *(np.asarray(row, dtype=np.int64) for _, row in places.values())])
    words = np.zeros((len(files), count), dtype=np.int64)
    start = 0
    for number, (file, _) in places.items():
        words[start : start + len(file), number // BITS] = np.int64(1) << np.int64(number % BITS)
        start += len(file)
    order = np.lexsort((rows, files))
    files, rows, words = files[order], rows[order], words[order]
    changes = (np.diff(files, prepend=-1) != 0) | (np.diff(rows, prepend=-1) != 0)
    first = np.flatnonzero(changes)
    merged = np.bitwise_or.reduceat(words, first, axis=0) if len(first) else words
    return Marks(files[first], rows[first], merged)


def marked_rows(
    store: Store, version: DatasetVersion, marks: Marks
) -> Iterator[tuple[Marks, pa.RecordBatch]]:
    """Marked rows, whole, in the order of the files; memory is that of a batch."""
    import numpy as np

    ends = {int(file): int(np.searchsorted(marks.file, file, side="right")) for file in np.unique(marks.file)}
    starts = {file: int(np.searchsorted(marks.file, file)) for file in ends}
    places = {file: marks.row[starts[file] : ends[file]] for file in ends}
    for number, found, batch in read_places(store, version, places):
        start = starts[number]
        starts[number] += len(found)
        part = slice(start, start + len(found))
        yield Marks(marks.file[part], marks.row[part], marks.words[part]), batch


def flags(words: Sequence[Any]) -> Any:
    """Words side by side, from one Arrow column each."""
    import numpy as np

    return np.stack([one.to_numpy(zero_copy_only=False).astype(np.int64) for one in words], axis=1)
