"""A column's values as a sample, without a Python object per row where that can be had.

Numbers are read as arrays. Of anything else each distinct value is read once, by
:func:`~airflow_mlops.core.monitoring.columns.read_values`, so that what a value means is said in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.monitoring.columns import Watched, read_values, sample_of
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.monitoring.statistics.counting import Floats

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SOME_TIME = "2000-01-01T00:00:00Z"


def sample_of_values(values: Iterable[Any], column: Watched) -> Sample:
    """The sample of any Python values, e.g. those of JSON requests."""
    return sample_of(read_values(values, column), column.kind)


def sample_of_series(series: pd.Series[Any], column: Watched) -> Sample:
    """The sample of a column of a frame, whatever its dtype."""
    kind = series.dtype.kind
    if column.kind == "number" and kind in "iufb":
        return _sorted(_as_floats(series))
    if column.kind == "category":
        there = series if kind == "O" else series.dropna()  # each NaN of an array is a value of its own
        try:
            counts = Counter(there.tolist())
        except TypeError:  # lists and dicts can't be counted
            counts = Counter()
        if counts and (kind != "O" or column.type != "string" or all(map(_is_plain, counts))):
            counts[None] += len(series) - len(there)
            return _counted(counts, column)
    return sample_of_values(series, column)


class Collector:
    """Collects one column from Arrow arrays: numbers as they are, else how often each value stands.

    :param column: what its values are read as.
    """

    def __init__(self, column: Watched) -> None:
        self._column = column
        self._parts: list[Floats] = []
        self._counts: Counter[Any] = Counter()

    def take_in(self, values: pa.Array[Any] | pa.ChunkedArray[Any]) -> None:
        """Add the rows of an array."""
        import pyarrow as pa

        for part in values.chunks if isinstance(values, pa.ChunkedArray) else [values]:
            numbers = _numbers_of(part) if self._column.kind == "number" else None
            if numbers is None:
                self._counts.update(_counts_of(part, times=self._column.kind == "time"))
            else:
                self._parts.append(numbers)

    def sample(self) -> Sample:
        """All that was taken in."""
        if self._column.kind != "number":
            return _counted(self._counts, self._column)
        # numbers that came as text stand as often as they were found
        as_text = _as_floats(read_values(list(self._counts), self._column))
        return _sorted(np.concatenate([*self._parts, np.repeat(as_text, list(self._counts.values()))]))


def _numbers_of(values: pa.Array[Any]) -> Floats | None:
    """An array of numbers, NaN where one is missing; None for what is to be read value by value."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if plain or types.is_decimal(kind):
        return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    return None


def _counts_of(values: pa.Array[Any], *, times: bool) -> dict[Any, int]:
    """How often each value stands in an array. Of times that Arrow knows as such one stands for all: see
    :func:`~airflow_mlops.core.monitoring.columns.sample_of`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if times and (types.is_timestamp(values.type) or types.is_date(values.type)):
        return {_SOME_TIME: len(values) - values.null_count, None: values.null_count}
    try:
        found = pc.value_counts(values)
    except pa.ArrowNotImplementedError:  # lists and structs
        return Counter(None if value is None else str(value) for value in values.to_pylist())
    counted: Counter[Any] = Counter()
    for value, count in zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True):
        counted[value] += count
    return counted


def _counted(counts: Mapping[Any, int], column: Watched) -> Categories:
    """Categories in the order of their names, from how often each raw value stands: several may read alike."""
    read = read_values(list(counts), column)
    there = read.notna().tolist()
    found: Counter[str] = Counter()
    for value, known, rows in zip(read.tolist(), there, counts.values(), strict=True):
        if known:
            found[value if column.kind == "category" else column.kind] += rows
    return Categories(dict(sorted(found.items())), sum(counts.values()) - found.total())


def _sorted(values: Floats) -> Numbers:
    finite = np.isfinite(values)
    there = np.sort(values if finite.all() else values[finite])
    return Numbers(there, len(values) - len(there))


def _as_floats(series: pd.Series[Any]) -> Floats:
    """Numbers, NaN for what is missing."""
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy().astype(np.float64, copy=False)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_plain(value: Any) -> bool:
    """A text or nothing; 1, 1.0 and True are one value to a counter, but not as text."""
    return isinstance(value, str) or value is None or (isinstance(value, float) and isnan(value))
