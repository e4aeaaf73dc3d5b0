"""What a model can be called with, value by value: never kinder to nonsense than an endpoint."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

import pyarrow as pa
import pytest

from airflow_mlops.core.errors import RequestError
from airflow_mlops.core.scoring.fitting import fit
from airflow_mlops.core.training.artifact import InputColumn, Signature
from airflow_mlops.core.training.inputs import RowChecker

NOW = datetime(2024, 6, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "kind, values, expected, bad",
    [
        ("number", pa.array([1, None, 3]), [1.0, None, 3.0], []),
        ("number", pa.array([1.5, float("inf"), None, float("-inf")]), [1.5, None, None, None], [1, 3]),
        ("number", pa.array(["1.5", "much", None, "1e400", "7"]), [1.5, None, None, None, 7.0], [1, 3]),
        ("number", pa.array([True, None]), [None, None], [0]),
        ("number", pa.array([NOW]), [None], [0]),
        ("string", pa.array(["a", None, ""]), ["a", None, ""], []),
        ("string", pa.array(["a", None], pa.large_string()), ["a", None], []),
        ("string", pa.array([12, None]), ["12", None], []),
        ("string", pa.array([1.5, None]), [None, None], [0]),
        ("string", pa.array([["a"]]), [None], [0]),
        ("boolean", pa.array([True, None, False]), [True, None, False], []),
        ("boolean", pa.array(["true", "False", "yes", None]), [True, False, None, None], [2]),
        ("boolean", pa.array([1, 0]), [None, None], [0, 1]),
        ("time", pa.array([NOW, None]), [NOW, None], []),
        ("time", pa.array([date(2024, 6, 1)]), [NOW.replace(hour=0)], []),
        ("time", pa.array(["2024-06-01T12:00:00Z", "soon", None]), [NOW, None, None], [1]),
        ("time", pa.array([datetime(1500, 1, 1)], pa.timestamp("us")), [None], [0]),  # noqa: DTZ001
        ("time", pa.array([1]), [None], [0]),
        *[(kind, pa.nulls(2), [None, None], []) for kind in ("number", "string", "boolean", "time")],
    ],
)
def test_values_and_what_does_not_fit(kind: str, values: Any, expected: list[Any], bad: list[int]) -> None:
    fitted, misfit = fit(values, kind)
    assert fitted.to_pylist() == expected
    assert [place for place, one in enumerate(misfit) if one] == bad


def test_a_nan_is_a_missing_number() -> None:
    fitted, misfit = fit(pa.array([float("nan"), 1.0]), "number")
    assert str(fitted.to_pylist()) == "[nan, 1.0]"
    assert not misfit.any()


@pytest.mark.parametrize("kind", ["number", "string", "boolean", "time"])
@pytest.mark.parametrize(
    "values",
    [
        pa.array([1.5, float("inf"), None]),
        pa.array(["text", "2024-06-01", "3", None]),
        pa.array([True, None]),
        pa.array([NOW, None]),
    ],
)
def test_an_endpoint_takes_every_row_that_fits(kind: str, values: Any) -> None:
    fitted, misfit = fit(values, kind)
    check = RowChecker(Signature(inputs=(InputColumn(name="x", type=kind),), features=("x",)))
    for value, given, bad in zip(fitted.to_pylist(), values.to_pylist(), misfit, strict=True):
        if not bad:
            check([{"x": value}])
        elif type(given) is not str:
            with pytest.raises(RequestError):
                check([{"x": given}])
