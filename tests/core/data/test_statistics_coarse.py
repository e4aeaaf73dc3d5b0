"""Bounds in a manifest are nobody's number."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.core.data.statistics import ColumnTally, coarse


def tally(values: Any) -> Any:
    array = pa.array(values)
    found = ColumnTally("c", array.type)
    found.update(array)
    return found.column()


@pytest.mark.parametrize(
    "values", [[4111111111111111, 4242424242424242], [4111111111111111.0, 4242424242424242.0]]
)
def test_long_numbers_are_written_to_two_digits(values: list[float]) -> None:
    column = tally(values)
    assert (column.min, column.max, column.mean) == (4.1e15, 4.3e15, 4.2e15)


def test_short_numbers_and_times_are_exact() -> None:
    assert (tally([1, 9_999_999]).min, tally([1, 9_999_999]).max) == (1.0, 9_999_999.0)
    assert tally([-123_456_789, 5]).min == -1.3e8
    assert tally(["a"]).min is None
    assert tally([math.inf, math.nan, 1.5]).max == 1.5


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_bounds_stay_bounds(number: float) -> None:
    low, high = coarse(number, -1), coarse(number, 1)
    assert low <= number <= high
    assert high - low <= 0.11 * abs(number)
