from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.slices import rows_of, slice_column, source_of

FRAME = pd.DataFrame(
    {
        "carrier": ["UA", None, "AA", "UA", "DL"],
        "distance": [500.0, 999.9, np.nan, 1000.0, 499.9],
        "count": pd.array([1, None, 3, 4, 5], dtype="Int64"),
        "fast": [True, False, True, True, False],
        "departure": pd.to_datetime(
            [
                "2024-01-01T23:30-05:00",
                "2024-01-07T17:59Z",
                None,
                "2024-01-01T17:00Z",
                "2024-01-02T00:00+07:00",
            ],
            format="ISO8601",
            utc=True,
        ).tz_convert("America/New_York"),
    }
)


@pytest.mark.parametrize(
    "text,rows",
    [
        ("carrier=UA", [0, 3]),
        ("carrier=(missing)", [1]),
        ("distance=[500,1000)", [0, 1]),
        ("distance=[1000,)", [3]),
        ("distance=[,500)", [4]),
        ("distance=(missing)", [2]),
        ("count=[2,5)", [2, 3]),
        ("carrier=UA & distance=[500,1000)", [0]),
        ("fast=true & count=[3,)", [2, 3]),
        ("departure.hour=17", [1, 3, 4]),
        ("departure.hour=[,5)", [0]),
        ("departure.weekday=Mon", [3, 4]),
        ("departure.weekday=Tue", [0]),
        ("departure.weekday=(missing)", [2]),
        ("carrier=XX", []),
    ],
)
def test_rows_of_a_slice(text: str, rows: list[int]) -> None:
    assert np.flatnonzero(rows_of(FRAME, text)).tolist() == rows


@pytest.mark.parametrize(
    "text,says",
    [
        ("carrier=[1,2)", r"slice carrier=\[1,2\) is a range, and column carrier holds no numbers"),
        ("fast=[0,1)", "column fast holds no numbers"),
        ("carrier.hour=17", "carrier.hour is a part of a time, and column carrier holds none"),
        ("departure=[1,2)", "column departure holds no numbers"),
        (
            "departure=2024",
            "column departure can't be sliced by; .* departure.hour and departure.weekday can be",
        ),
    ],
)
def test_columns_that_can_not_be_sliced_by_so(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        rows_of(FRAME, text)


def test_a_column_that_is_called_like_a_part_goes_first() -> None:
    frame = FRAME.assign(**{"departure.hour": 3})
    assert rows_of(frame, "departure.hour=3").all()
    assert source_of("departure.hour", frame.columns) == "departure.hour"
    assert source_of("departure.hour", FRAME.columns) == "departure"
    assert source_of("departure.minute", FRAME.columns) == "departure.minute"
    assert slice_column(FRAME, "carrier").tolist() == FRAME["carrier"].tolist()
