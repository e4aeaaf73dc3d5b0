from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.version import Column
from airflow_mlops.core.errors import DataError, RequestError
from airflow_mlops.core.training.artifact import InputColumn, Signature
from airflow_mlops.core.training.inputs import RowChecker, input_column, raw_frame, rows_frame

INPUTS = (
    InputColumn(name="n", type="number"),
    InputColumn(name="s", type="string"),
    InputColumn(name="b", type="boolean"),
    InputColumn(name="t", type="time"),
)
DTYPES = {"n": "float64", "s": "object", "b": "boolean", "t": "datetime64[ns, UTC]"}
GOOD: dict[str, Any] = {"n": 1, "s": "x", "b": True, "t": "2024-05-01T12:00:00Z"}
NULL: dict[str, Any] = dict.fromkeys(GOOD)


@pytest.mark.parametrize(
    "arrow,kind",
    [
        ("int64", "number"),
        ("uint8", "number"),
        ("double", "number"),
        ("float", "number"),
        ("decimal128(10, 2)", "number"),
        ("string", "string"),
        ("large_string", "string"),
        ("dictionary<values=string, indices=int32, ordered=0>", "string"),
        ("dictionary<values=int64, indices=int8, ordered=0>", "number"),
        ("bool", "boolean"),
        ("timestamp[us, tz=UTC]", "time"),
        ("date32[day]", "time"),
    ],
)
def test_arrow_types(arrow: str, kind: str) -> None:
    assert input_column(Column(name="x", type=arrow, nulls=0)).type == kind


@pytest.mark.parametrize(
    "arrow", ["list<item: int64>", "struct<a: int64>", "binary", "time64[us]", "duration[s]"]
)
def test_types_that_no_request_carries(arrow: str) -> None:
    with pytest.raises(DataError, match="column x can't be a feature"):
        input_column(Column(name="x", type=arrow, nulls=0))


@pytest.mark.parametrize("rows", [[GOOD], [NULL], [GOOD, NULL], [NULL, GOOD, GOOD]])
def test_dtypes_do_not_depend_on_what_a_batch_holds(rows: list[dict[str, Any]]) -> None:
    frame = rows_frame(rows, INPUTS)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == DTYPES


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(
            {
                "n": np.array([1, 2], dtype="int32"),
                "s": pd.Categorical(["x", "y"]),
                "b": [True, False],
                "t": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            }
        ),
        pd.DataFrame(
            {
                "n": [1.5, None],
                "s": pd.array(["x", None], dtype="string"),
                "b": [True, None],
                "t": [datetime(2024, 1, 1, tzinfo=timezone.utc), None],
            }
        ),
        pd.DataFrame(
            {
                "n": pd.array([1, None], dtype="Int64"),
                "s": ["x", math.nan],
                "b": pd.array([None, True], dtype="boolean"),
                "t": pd.to_datetime(["2024-01-01T02:00+02:00", None], utc=True).as_unit("us"),
            }
        ),
    ],
)
def test_frames_of_training_and_of_requests_are_equal(frame: pd.DataFrame) -> None:
    training = raw_frame(frame, INPUTS)
    assert {name: str(dtype) for name, dtype in training.dtypes.items()} == DTYPES
    rows = [
        {
            name: None if pd.isna(value) else value.isoformat() if name == "t" else value
            for name, value in record.items()
        }
        for record in training.to_dict("records")
    ]
    RowChecker(Signature(inputs=INPUTS, features=()))(rows)
    pd.testing.assert_frame_equal(rows_frame(rows, INPUTS), training)


def test_index_and_the_source_are_left_alone() -> None:
    frame = pd.DataFrame(
        {"n": [1, 2], "s": ["a", None], "b": [True, None], "t": ["2024-01-01", None]}, index=[7, 9]
    )
    before = frame.copy()
    assert list(raw_frame(frame, INPUTS).index) == [7, 9]
    pd.testing.assert_frame_equal(frame, before)


def test_a_column_of_the_wrong_type_is_named() -> None:
    frame = pd.DataFrame([{**GOOD, "n": "many"}])
    with pytest.raises(DataError, match="column n holds something else than numbers"):
        raw_frame(frame, INPUTS)


@pytest.mark.parametrize(
    "change",
    [
        {},
        NULL,
        {"n": math.nan, "s": math.nan, "b": math.nan, "t": math.nan},
        {"n": np.float32(3), "b": np.bool_(False)},
        {"n": np.int64(3), "t": datetime(2024, 1, 1, tzinfo=timezone.utc)},
        {"t": "2024-05-01T12:00:00.250+02:00"},
        {"extra": object()},
    ],
)
def test_good_rows(change: dict[str, Any]) -> None:
    RowChecker(Signature(inputs=INPUTS, allowed=("extra",), features=()))([{**GOOD, **change}])


@pytest.mark.parametrize(
    "text,seconds",
    [
        ("2024-05-01", 0),
        ("2024-05-01T12:30", 45000),
        ("2024-05-01 12:30:05", 45005),
        ("2024-05-01T12:30:05.5Z", 45005.5),
        ("2024-05-01T12:30:05.123456+02:00", 45005.123456 - 7200),
        ("2024-05-01T12:30:05-0130", 45005 + 5400),
        ("2024-05-01T12:30+00:00", 45000),
    ],
)
def test_times_that_pass_are_read_as_utc(text: str, seconds: float) -> None:
    RowChecker(Signature(inputs=INPUTS, features=()))([{**GOOD, "t": text}])
    found = rows_frame([{**GOOD, "t": text}], INPUTS)["t"].iloc[0]
    assert found == pd.Timestamp("2024-05-01", tz="UTC") + pd.Timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "rows,message",
    [
        ([], "no rows"),
        ([1], "row 0 is not an object; given int"),
        ([GOOD, {"n": 1, "s": "x"}], "row 1 lacks b, t; .*send null"),
        ([{**GOOD, "z": 1, "a": 2}], "row 0 has unknown features a, z; expected only b, extra, n, s, t"),
        ([{**GOOD, "n": "1"}], "row 0, feature n is no number; given '1'"),
        ([{**GOOD, "n": True}], "feature n is no number; given True"),
        ([{**GOOD, "n": math.inf}], "feature n is no number; given inf; expected a finite number"),
        ([{**GOOD, "n": 10**400}], "feature n is no number; given 1000"),
        ([{**GOOD, "n": [1]}], r"feature n is no number; given \[1\]"),
        ([{**GOOD, "s": 5}], "feature s is no string; given 5"),
        ([{**GOOD, "b": 1}], "feature b is no boolean; given 1"),
        ([{**GOOD, "t": "noon"}], "feature t is no time; given 'noon'; expected an ISO 8601 time"),
        ([{**GOOD, "t": "2024-W18-3"}], "feature t is no time"),
        ([{**GOOD, "t": "2024-13-01"}], "feature t is no time"),
        ([{**GOOD, "t": "2024-05-01x12:00"}], "feature t is no time"),
        ([{**GOOD, "t": "2024-05-01T12:00:00+99:00"}], "feature t is no time"),
        ([{**GOOD, "t": "\u0662024-05-01"}], "feature t is no time"),
        ([{**GOOD, "t": 1714564800}], "feature t is no time"),
        ([{**GOOD, "t": "0001-01-01T00:00:00"}], "feature t is no time"),
    ],
)
def test_bad_rows_are_named_in_one_short_line(rows: list[Any], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        RowChecker(Signature(inputs=INPUTS, allowed=("extra",), features=()))(rows)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
