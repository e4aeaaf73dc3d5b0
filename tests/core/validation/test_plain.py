from __future__ import annotations

import json
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.validation.plain import plain, shown


@pytest.mark.parametrize(
    "value,expected",
    [
        (np.int64(3), 3),
        (np.float64("nan"), None),
        (float("inf"), "inf"),
        (np.bool_(True), True),
        (pd.NaT, None),
        (pd.NA, None),
        (np.datetime64("NaT"), None),
        (pd.Timestamp("2013-01-01", tz="UTC"), "2013-01-01T00:00:00+00:00"),
        (datetime(2013, 1, 1, tzinfo=timezone.utc), "2013-01-01T00:00:00+00:00"),
        (np.datetime64("2013-01-01"), "2013-01-01"),
        (date(2013, 1, 1), "2013-01-01"),
        (np.array([1.5, np.nan]), [1.5, None]),
        ({1: (np.int8(1), {"b", "a"})}, {"1": [1, ["a", "b"]]}),
        (Decimal("1.10"), "1.10"),
        (b"\xff", "b'\\xff'"),
    ],
)
def test_everything_becomes_json(value: Any, expected: Any) -> None:
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


def test_shown_is_short_and_on_one_line() -> None:
    assert shown(2.0) == "2"
    assert shown((1, None)) == "1, null"
    assert shown({"a": 1, "b": None}) == "a=1, b=null"
    assert shown("two\nlines") == "two lines"
    assert shown(None) == ""
    assert len(shown("x" * 500)) == 60
