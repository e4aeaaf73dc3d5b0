"""A column's values as a sample, without a Python object per row where that can be had.

Numbers and times are read as arrays. Of anything else each distinct value is read once, by
:func:`~airflow_mlops.core.monitoring.columns.read_values`, so that what a value means is said in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.data.event_time import to_utc
from airflow_mlops.core.monitoring.columns import Watched, read_values
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.monitoring.statistics.counting import Floats

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_PER_SECOND = 1e6


def sample_of_values(values: Iterable[Any], column: Watched) -> Sample:
    """The sample of any Python values, e.g. those of JSON requests; of times seconds since 1970 in UTC."""
    read = read_values(values, column)
    return _labels(Counter(read.tolist())) if column.kind == "category" else _sorted(_as_floats(read))


def sample_of_series(series: pd.Series[Any], column: Watched) -> Sample:
    """The sample of a column of a frame, whatever its dtype; of times seconds since 1970 in UTC."""
    import pandas as pd

    kind = series.dtype.kind
    if column.kind == "number" and kind in "iufb":
        return _sorted(_as_floats(series))
    if column.kind == "time" and kind == "M":
        return _sorted(_as_floats(pd.to_datetime(series, utc=True)))
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
    """Collects one column from Arrow arrays: numbers and times as they are, else how often each value stands.

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
            numbers = _numbers_of(part, self._column)
            if numbers is None:
                self._counts.update(_counts_of(part))
            else:
                self._parts.append(numbers)

    def sample(self) -> Sample:
        """All that was taken in."""
        if self._column.kind == "category":
            return _counted(self._counts, self._column)
        if self._counts:  # numbers that came as text
            read = _as_floats(read_values(list(self._counts), self._column))
            self._parts.append(np.repeat(read, list(self._counts.values())))
            self._counts.clear()
        return _sorted(np.concatenate(self._parts) if self._parts else np.empty(0))


def _numbers_of(values: pa.Array[Any], column: Watched) -> Floats | None:
    """Numbers, or times in seconds; None for what is to be counted value by value."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_dictionary(values.type) and column.kind != "category":
        values = values.dictionary_decode()
    kind = values.type
    if column.kind == "time" and (types.is_timestamp(kind) or types.is_date(kind) or types.is_string(kind)):
        micros = to_utc(values).cast(pa.int64()).cast(pa.float64(), safe=False)
        return np.asarray(micros.to_numpy(zero_copy_only=False)) / _PER_SECOND
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if column.kind == "number" and (plain or types.is_decimal(kind)):
        return np.asarray(values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    return None


def _counts_of(values: pa.Array[Any]) -> dict[Any, int]:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        found = pc.value_counts(values)
    except pa.ArrowNotImplementedError:  # lists and structs
        return Counter(None if value is None else str(value) for value in values.to_pylist())
    counted: Counter[Any] = Counter()
    for value, count in zip(found.field(0).to_pylist(), found.field(1).to_pylist(), strict=True):
        counted[value] += count
    return counted


def _counted(counts: Mapping[Any, int], column: Watched) -> Categories:
    """Categories from how often each raw value stands: several may read alike."""
    found: Counter[Any] = Counter()
    for value, count in zip(
        read_values(counts, column).tolist() if counts else [], counts.values(), strict=True
    ):
        found[value] += count
    return _labels(found)


def _labels(counts: Mapping[Any, int]) -> Categories:
    """Categories in the order of their names, from values as they were read."""
    names = sorted(value for value in counts if isinstance(value, str))
    return Categories(
        {name: counts[name] for name in names}, sum(counts.values()) - sum(map(counts.__getitem__, names))
    )


def _sorted(values: Floats) -> Numbers:
    finite = np.isfinite(values)
    there = np.sort(values if finite.all() else values[finite])
    return Numbers(there, len(values) - len(there))


def _as_floats(series: pd.Series[Any]) -> Floats:
    """Numbers, or seconds of times; NaN for what is missing."""
    if series.dtype.kind == "M":
        times = series.to_numpy(dtype="datetime64[us]")
        return np.where(np.isnat(times), np.nan, times.astype(np.int64) / _PER_SECOND)
    if isinstance(series.dtype, np.dtype):
        return series.to_numpy().astype(np.float64, copy=False)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _is_plain(value: Any) -> bool:
    """A text or nothing; 1, 1.0 and True are one value to a counter, but not as text."""
    return isinstance(value, str) or value is None or (isinstance(value, float) and isnan(value))
