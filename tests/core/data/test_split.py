from __future__ import annotations

import pandas as pd
import pytest

from airflow_mlops.core.data.split import split_by_time
from airflow_mlops.core.errors import DataError
from airflow_mlops.spec import Split
from tests.core.flights import sample


def test_parts_lie_one_after_the_other_and_lose_no_row() -> None:
    flights = sample()
    parts = split_by_time(flights, "time_hour", Split(test="60d", validation="30d"))
    assert parts.validation is not None
    newest = flights["time_hour"].max()
    assert parts.test["time_hour"].min() > newest - pd.Timedelta("60d") >= parts.validation["time_hour"].max()
    assert (
        parts.validation["time_hour"].min() > newest - pd.Timedelta("90d") >= parts.train["time_hour"].max()
    )
    pd.testing.assert_frame_equal(pd.concat([parts.train, parts.validation, parts.test]), flights)


def test_no_validation_part_unless_it_is_asked_for_and_order_does_not_matter() -> None:
    flights = sample().sample(frac=1, random_state=1)
    parts = split_by_time(flights, "time_hour", Split(test="60d"))
    assert parts.validation is None
    assert len(parts.train) + len(parts.test) == len(flights)
    assert parts.train["time_hour"].max() < parts.test["time_hour"].min()
    assert set(parts.test.index) == set(
        flights.index[flights["time_hour"] > flights["time_hour"].max() - pd.Timedelta("60d")]
    )


def test_the_row_on_the_edge_is_not_tested_on() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2013-01-01", "2013-01-02", "2013-01-03"])})
    parts = split_by_time(frame, "at", Split(test="1d"))
    assert len(parts.test) == 1


@pytest.mark.parametrize(
    "given,name", [({"test": "400d"}, "train"), ({"test": "1d", "validation": "1s"}, "validation")]
)
def test_an_empty_part_says_range_and_durations(given: dict[str, str], name: str) -> None:
    with pytest.raises(DataError) as caught:
        split_by_time(sample(), "time_hour", Split(**given))
    text = str(caught.value)
    assert f"no row for {name}" in text
    assert "2013-01-01T" in text
    assert f"split.test {given['test']}" in text
    assert "\n" not in text


def test_rows_without_a_time_and_no_rows_are_refused() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2013-01-01", None])})
    with pytest.raises(DataError, match="1 rows have no at"):
        split_by_time(frame, "at", Split())
    with pytest.raises(DataError, match="no row"):
        split_by_time(frame.iloc[:0], "at", Split())
