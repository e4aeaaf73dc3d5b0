from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, get_bytes
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.core.validation.run import explain, validate
from tests.core.flights import sample, spec, write_months

NOT_NULL = {"type": "expect_column_values_to_not_be_null", "column": "dest"}
DISTANCE = {
    "type": "expect_column_values_to_be_between",
    "column": "distance",
    "min_value": 50,
    "max_value": 5000,
}
HOUR = {"type": "expect_column_values_to_be_between", "column": "hour", "min_value": 0, "max_value": 23}
CARRIER = {
    "type": "expect_column_values_to_be_in_set",
    "column": "carrier",
    "value_set": ["UA", "AA"],
    "severity": "warn",
}


def _spec(*expectations: dict[str, Any], **fields: Any) -> Any:
    return spec(validation={"expectations": expectations, **fields})


def _broken(frame: pd.DataFrame) -> pd.DataFrame:
    """Nulls, impossible values and a changed unit, in known rows of the second month."""
    if frame["time_hour"].iloc[0].month == 2:
        frame.loc[[3, 7], "dest"] = None
        frame.loc[[7, 8, 9], "distance"] = [-1, -2, -3]
        frame.loc[50:, "distance"] = frame.loc[50:, "distance"] * 1000
    return frame


def _run(store: Store, data: Path, *expectations: dict[str, Any], **fields: Any) -> ValidationResult:
    version = snapshot(store, FolderRoot(data), spec())
    return validate(store, FolderRoot(data), _spec(*expectations, **fields), version)


def _quarantined(store: Store, result: ValidationResult) -> pd.DataFrame:
    assert result.quarantine
    return pd.read_parquet(io.BytesIO(get_bytes(store, result.quarantine)))


def test_good_data_passes(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    result = _run(store, data, NOT_NULL, DISTANCE, HOUR)
    assert result.success
    assert (result.rows, result.quarantine, result.quarantined_rows) == (300, None, 0)
    assert [one.success for one in result.expectations] == [True, True, True]
    assert [one.element_count for one in result.expectations] == [300, 300, 300]
    assert "3 of 3 expectations hold on 300 rows" in explain(result)
    assert ValidationResult.from_bytes(result.to_bytes()) == result


def test_a_broken_batch_is_stopped_and_its_rows_are_set_aside_whole(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    result = _run(store, data, DISTANCE, HOUR, NOT_NULL)
    assert not result.success
    distance, hour, dest = result.expectations
    assert (distance.success, hour.success, dest.success) == (False, True, False)
    assert (distance.unexpected_count, distance.element_count) == (53, 300)
    assert distance.unexpected_share == pytest.approx(53 / 300)
    assert set(distance.examples) >= {"-1", "-2", "-3"}
    assert dest.unexpected_count == 2
    assert dest.examples == ("flights/2013-02.parquet row 3", "flights/2013-02.parquet row 7")

    bad = _quarantined(store, result)
    assert result.quarantined_rows == len(bad) == 54
    assert bad["_source"].unique().tolist() == ["flights/2013-02.parquet"]
    assert bad["_row"].tolist() == [3, 7, 8, 9, *range(50, 100)]
    source = pd.read_parquet(data / "flights" / "2013-02.parquet").iloc[bad["_row"]].reset_index(drop=True)
    source["time_hour"] = source["time_hour"].dt.as_unit("us")
    pd.testing.assert_frame_equal(
        bad.drop(columns=["_source", "_row", "_reasons"]), source, check_dtype=False
    )
    reasons = bad.set_index("_row")["_reasons"]
    between, null = (
        "fail: expect_column_values_to_be_between on distance",
        "fail: expect_column_values_to_not_be_null on dest",
    )
    assert reasons[3] == null
    assert reasons[7] == f"{between}; {null}"
    assert reasons[50] == between

    line = explain(result)
    assert "\n" not in line
    for word in (
        "on distance: 53 of 300 values (17.7 %)",
        "min_value=50",
        "-1; -2; -3",
        "54 rows are in quarantine",
    ):
        assert word in line


def test_a_warning_is_recorded_and_stops_nothing(data: Path, store: Store) -> None:
    write_months(data, range(1, 3))
    result = _run(store, data, NOT_NULL, CARRIER)
    assert result.success
    assert [one.success for one in result.expectations] == [True, False]
    others = (~sample()[sample()["month"] <= 2]["carrier"].isin(["UA", "AA"])).sum()
    assert result.quarantined_rows == others
    assert _quarantined(store, result)["_reasons"].unique().tolist() == [
        "warn: expect_column_values_to_be_in_set on carrier"
    ]
    assert "0 failed, 1 warned" in explain(result)


def test_mostly_forgives_and_then_sets_no_row_aside(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    result = _run(store, data, {**NOT_NULL, "mostly": 0.9})
    assert result.success
    assert (result.expectations[0].unexpected_count, result.quarantine) == (2, None)


def test_a_spec_without_expectations_says_that_nothing_was_tested(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    result = _run(store, data)
    assert result.success
    assert result.expectations == ()
    assert result.details is None
    assert "nothing was tested" in result.reason
    assert "nothing was tested" in explain(result)


def test_the_full_result_is_plain_json_and_the_same_every_time(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    wanted = [
        DISTANCE,
        {"type": "expect_column_mean_to_be_between", "column": "distance", "min_value": 1e9},
        {"type": "expect_column_values_to_be_between", "column": "time_hour", "max_value": "2013-02-01"},
        {"type": "expect_column_max_to_be_between", "column": "time_hour", "max_value": "2013-02-01T00:00:00Z"},
        {"type": "expect_compound_columns_to_be_unique", "column_list": ["origin", "dest"]},
        {"type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "hour", "column_B": "distance"},
        {"type": "expect_column_values_to_match_regex", "column": "tailnum", "regex": "^N$"},
        {"type": "expect_column_distinct_values_to_be_in_set", "column": "origin", "value_set": ["EWR"]},
        {"type": "expect_column_quantile_values_to_be_between", "column": "hour",
         "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[30, None]]}},
    ]  # fmt: skip
    result = _run(store, data, *wanted)
    assert [one.success for one in result.expectations] == [False] * len(wanted)
    assert result.details
    details = json.loads(get_bytes(store, result.details))
    assert [one["type"] for one in details["results"]] == [one["type"] for one in wanted]
    assert details["results"][0]["result"]["unexpected_count"] == 53
    assert all("unexpected_index_list" not in one["result"] for one in details["results"])
    again = _run(store, data, *wanted)
    assert (again.details, again.quarantine) == (result.details, result.quarantine)
    times = result.expectations[2]
    assert times.unexpected_count == 200, "a limit without a zone is taken as UTC"
    assert times.examples[0].startswith("2013-02-01")
    assert "observed 2013-03-" in result.expectations[3].reason
    assert result.expectations[4].column == "origin, dest"
    assert "rows (" in result.expectations[4].reason
    assert result.expectations[7].examples == ("JFK", "LGA")
    assert result.expectations[7].reason == "observed JFK, LGA, expected value_set=EWR"


def test_what_can_not_be_evaluated_has_failed(data: Path, store: Store) -> None:
    write_months(
        data, range(1, 2), change=lambda frame: frame.assign(distance=frame["distance"].astype(str) + " km")
    )
    result = _run(store, data, DISTANCE, HOUR)
    assert not result.success
    assert result.expectations[1].success
    reason = result.expectations[0].reason
    assert "could not be evaluated" in reason
    assert "distance is string" in reason or "distance is large_string" in reason
    assert "\n" not in explain(result)


def test_the_table_and_its_columns_can_be_tested(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    result = _run(
        store,
        data,
        {"type": "expect_table_row_count_to_be_between", "min_value": 1000},
        {"type": "expect_column_to_exist", "column": "tailnum"},
        {"type": "expect_column_to_exist", "column": "gate"},
        {"type": "expect_table_column_count_to_equal", "value": 9},
        {"type": "expect_table_columns_to_match_set", "column_set": ["hour", "gate"], "exact_match": False},
        {**HOUR, "row_condition": "origin == 'JFK'", "condition_parser": "pandas"},
    )
    assert [one.success for one in result.expectations] == [False, True, False, True, False, True]
    assert result.expectations[0].examples == ("100",)
    assert result.expectations[0].column is None
    assert "; missing gate" in result.expectations[4].reason
    assert result.expectations[5].element_count == (sample()[sample()["month"] == 1]["origin"] == "JFK").sum()
    assert result.quarantine is None


def test_a_suite_file_of_great_expectations_and_its_severity(data: Path, store: Store) -> None:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    suite = gx.ExpectationSuite(
        name="flights",
        expectations=[
            gxe.ExpectColumnValuesToBeBetween(
                column="distance", min_value=5000, severity="warning", notes="far"
            ),
            gxe.ExpectColumnValuesToNotBeNull(column="dest", severity="critical"),
            gxe.ExpectColumnValuesToBeInSet(column="origin", value_set=["EWR"], severity="info"),
        ],
    )
    write_months(data, range(1, 2))
    (data / "suite.json").write_text(json.dumps(suite.to_json_dict()))
    result = _run(store, data, HOUR, suite="suite.json")
    assert result.success
    assert [(one.severity, one.success) for one in result.expectations] == [
        ("warn", False),
        ("fail", True),
        ("warn", False),
        ("fail", True),
    ]


def test_only_the_columns_that_are_looked_at_are_read(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.core.validation import engine

    seen: list[Any] = []
    real = engine.read_rows
    monkeypatch.setattr(
        engine, "read_rows", lambda store, version, names: seen.append(names) or real(store, version, names)
    )
    write_months(data, range(1, 2))
    _run(store, data, DISTANCE, HOUR, engine="gx")
    assert seen == [["distance", "hour", "time_hour"]]


def test_an_unknown_column_is_one_line_before_data_is_read(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_mlops.core.validation import run

    write_months(data, range(1, 2))
    version = snapshot(store, FolderRoot(data), spec())
    monkeypatch.setattr(run, "judge_all", lambda *_, **__: pytest.fail("data was read"))
    keys = {item.key for item in store.list("")}
    with pytest.raises(
        SpecError, match=r"validation\.expectations\.1: .*given distanse; expected close: distance"
    ):
        validate(store, FolderRoot(data), _spec(HOUR, {**DISTANCE, "column": "distanse"}), version)
    assert {item.key for item in store.list("")} == keys


def test_columns_named_like_ours_are_kept(data: Path, store: Store) -> None:
    write_months(data, range(1, 2), change=lambda frame: frame.assign(_row=np.arange(len(frame)) + 1000))
    result = _run(store, data, {**DISTANCE, "min_value": 4000, "max_value": None})
    bad = _quarantined(store, result)
    assert (bad["data_row"] == bad["_row"] + 1000).all()


def test_a_window_is_tested_and_nothing_outside_of_it(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    version = snapshot(
        store, FolderRoot(data), spec(), until=pd.Timestamp("2013-02-01", tz="UTC").to_pydatetime()
    )
    result = validate(store, FolderRoot(data), _spec(NOT_NULL, DISTANCE), version)
    assert (result.success, result.rows) == (True, version.rows)


def test_telemetry_and_progress_bars_are_off(
    data: Path, store: Store, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    write_months(data, range(1, 2))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    _run(store, data, NOT_NULL, DISTANCE)
    told = capfd.readouterr()
    assert "Calculating" not in told.out + told.err


def test_quarantine_reads_from_the_pinned_bytes(data: Path, store: Store) -> None:
    write_months(data, range(1, 3), change=_broken)
    version = snapshot(store, FolderRoot(data), spec())
    for file in (data / "flights").iterdir():
        file.unlink()
    result = validate(store, FolderRoot(data), _spec(NOT_NULL), version)
    assert result.quarantined_rows == 2
    assert result.quarantine
    assert store.exists(blob_key(result.quarantine))


def test_the_same_expectation_twice_gives_two_results(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    result = _run(store, data, DISTANCE, {**DISTANCE, "severity": "warn"}, HOUR, DISTANCE)
    assert [(one.severity, one.success) for one in result.expectations] == [
        ("fail", False),
        ("warn", False),
        ("fail", True),
        ("fail", False),
    ]
