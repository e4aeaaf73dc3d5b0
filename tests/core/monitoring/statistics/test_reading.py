"""However a column is held, its sample is the one that ``read_values`` gives row by row."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.monitoring.columns import Watched
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.monitoring.statistics.reading import Collector, sample_of_series, sample_of_values

NUMBER = Watched("x", "number", "number")
LABEL = Watched("x", "number", "category")
TEXT = Watched("x", "string", "category")
TRUTH = Watched("x", "boolean", "category")
TIME = Watched("x", "time", "time")
NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)

VALUES: list[tuple[Watched, list[Any]]] = [
    (NUMBER, [3.0, 1.0, None, float("nan"), float("inf"), -float("inf"), 2.5]),
    (NUMBER, [3, 1, 2, 1, 2**60 + 1]),
    (NUMBER, [3, None, 1]),
    (NUMBER, [True, False, None]),
    (NUMBER, ["3", "1e3", "many", None, "3"]),
    (NUMBER, [Decimal("1.5"), None, Decimal("1.25")]),
    (NUMBER, [None, None]),
    (NUMBER, []),
    (NUMBER, [[1], [2, 3], None]),
    (LABEL, [3.0, 3.0, 1.5, None, float("nan"), float("inf"), 0.0, -0.0]),
    (LABEL, [3, 1, 1]),
    (LABEL, ["3", "3.0", "x"]),
    (TEXT, ["b", "a", "a", "", None, "1", "True"]),
    (TEXT, [1, 2, 1]),
    (TEXT, [1.0, 2.5, float("nan")]),
    (TEXT, [[1], [1], None]),
    (TEXT, [None]),
    (TEXT, []),
    (TRUTH, [True, False, None, True]),
    (TRUTH, ["True", "false", "1", "maybe"]),
    (TRUTH, [1, 0, 1]),
    (TIME, [NOON, None, NOON]),
    (TIME, ["2024-01-01T12:00:00Z", "noon", None, "2024-01-02"]),
    (TIME, [date(2024, 1, 1), None]),
    (TIME, []),
]


def same(one: Sample, other: Sample) -> bool:
    if isinstance(one, Numbers) and isinstance(other, Numbers):
        return one.missing == other.missing and one.values.tolist() == other.values.tolist()
    return one == other


def collected(column: Watched, *arrays: Any) -> Sample:
    collector = Collector(column)
    for array in arrays:
        collector.take_in(array)
    return collector.sample()


@pytest.mark.parametrize("column, values", VALUES)
def test_series_and_arrow_arrays_read_as_single_values_do(column: Watched, values: list[Any]) -> None:
    expected = sample_of_values(values, column)
    assert expected.rows == len(values)
    assert same(sample_of_series(pd.Series(values), column), expected)
    assert same(sample_of_series(pd.Series(values, dtype=object), column), expected)
    array = pa.array(values)
    assert same(collected(column, array), expected)
    half = len(values) // 2
    assert same(collected(column, pa.chunked_array([array[:half], array[half:]])), expected)
    if not pa.types.is_nested(array.type):
        encoded = [part.dictionary_encode() for part in (array[:half], array[half:])]
        assert same(collected(column, *encoded), expected)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]"])
def test_dtypes_with_a_mask(dtype: str) -> None:
    series = pd.Series([3, None, 1], dtype=dtype)
    assert same(sample_of_series(series, NUMBER), Numbers(np.array([1.0, 3.0]), 1))
    assert same(sample_of_series(series, LABEL), Categories({"1": 1, "3": 1}, 1))


@pytest.mark.parametrize("dtype", ["category", "string", "string[pyarrow]"])
def test_dtypes_of_text(dtype: str) -> None:
    series = pd.Series(["a", None, "b", "a"], dtype=dtype)
    assert same(sample_of_series(series, TEXT), Categories({"a": 2, "b": 1}, 1))


def test_mixed_values_are_told_apart_as_text() -> None:
    """To a hash table 1, 1.0 and True are one."""
    assert sample_of_series(pd.Series([1, True, 1.0, "1"], dtype=object), TEXT) == Categories(
        {"1": 2, "True": 1, "1.0": 1}, 0
    )


def test_a_sample_leaves_the_rows_as_they_are() -> None:
    values = np.array([3.0, 1.0, 2.0])
    sample_of_series(pd.Series(values, copy=False), NUMBER)
    collected(NUMBER, pa.array(values))
    assert values.tolist() == [3.0, 1.0, 2.0]
