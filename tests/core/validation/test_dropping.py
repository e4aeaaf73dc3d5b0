"""Severity drop: the run goes on without the rows that break an expectation."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError, SpecError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.core.validation.result import ValidationResult
from airflow_mlops.core.validation.run import explain, validate
from tests.core.flights import spec, write_months

FAR = {
    "type": "expect_column_values_to_be_between",
    "column": "distance",
    "max_value": 2000,
    "severity": "drop",
}
NULLS = {"type": "expect_column_values_to_not_be_null", "column": "dest", "severity": "drop"}
WARN = {
    "type": "expect_column_values_to_be_in_set",
    "column": "origin",
    "value_set": ["JFK"],
    "severity": "warn",
}


def _broken(frame: pd.DataFrame) -> pd.DataFrame:
    if frame["time_hour"].iloc[0].month == 2:
        frame.loc[[3, 7], "dest"] = None
    return frame


def _run(store: Store, data: Path, *expectations: dict[str, Any], **fields: Any) -> ValidationResult:
    version = snapshot(store, FolderRoot(data), spec())
    own = spec(validation={"expectations": expectations, **fields})
    return validate(store, FolderRoot(data), own, version, by="ann")


@pytest.mark.parametrize("engine", ["auto", "gx"])
def test_the_run_goes_on_without_the_bad_rows(data: Path, store: Store, engine: str) -> None:
    write_months(data, range(1, 4), change=_broken)
    result = _run(store, data, FAR, NULLS, WARN, engine=engine)
    before = read_frame(store, load_version(store, "flight_delay", result.tested.id))
    bad = (before["distance"] > 2000) | before["dest"].isna()
    after_version = load_version(store, "flight_delay", result.dataset.id)
    after = read_frame(store, after_version)

    assert result.success
    assert result.dataset != result.tested
    assert result.dropped_rows == bad.sum() > 2
    pd.testing.assert_frame_equal(after, before[~bad].reset_index(drop=True))
    assert after_version.derivation is not None
    assert after_version.derivation.kind == "quarantine"
    assert after_version.derivation.parents == (result.tested,)
    assert after_version.derivation.details == result.quarantine
    assert after_version.derivation.by == "ann"
    assert result.quarantine
    aside = pd.read_parquet(io.BytesIO(get_bytes(store, result.quarantine)))
    assert aside["_reasons"].str.contains("drop: ").sum() == bad.sum(), "warned rows are there, too, and stay"
    assert len(aside) > bad.sum()
    line = explain(result)
    assert "0 failed, 1 warned, 2 with dropped rows" in line
    assert f"goes on without {bad.sum()} rows as flight_delay@{result.dataset.id}" in line


def test_again_makes_the_same_version(data: Path, store: Store) -> None:
    write_months(data, range(1, 4), change=_broken)
    first, again = _run(store, data, FAR), _run(store, data, FAR)
    assert (first.dataset, first.quarantine) == (again.dataset, again.quarantine)


def test_nothing_to_drop_goes_on_as_it_is(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    result = _run(store, data, NULLS, {**FAR, "mostly": 0.01})
    assert result.success
    assert (result.dataset, result.dropped_rows, result.quarantine) == (result.tested, 0, None)


def test_a_run_that_stops_makes_no_version(data: Path, store: Store) -> None:
    write_months(data, range(1, 3), change=_broken)
    result = _run(store, data, FAR, {**NULLS, "severity": "fail"})
    assert not result.success
    assert result.dataset == result.tested
    assert result.dropped_rows == 0
    assert len(list(store.list("datasets/"))) == 1


def test_to_drop_every_row_is_an_error_and_the_rows_are_kept(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    with pytest.raises(DataError, match=r"every one of 100 rows of .* would be dropped") as caught:
        _run(store, data, {**FAR, "max_value": -1})
    assert "quarantine (blob " in str(caught.value)
    assert len(list(store.list("datasets/"))) == 1


@pytest.mark.parametrize(
    "kind,arguments",
    [
        ("expect_table_row_count_to_equal", {"value": 5}),
        ("expect_column_mean_to_be_between", {"column": "distance", "min_value": 1}),
        (
            "expect_column_kl_divergence_to_be_less_than",
            {"column": "origin", "partition_object": {"values": ["a"], "weights": [1]}, "threshold": 1},
        ),
    ],
)
def test_what_judges_no_row_can_drop_none(
    data: Path, store: Store, kind: str, arguments: dict[str, Any]
) -> None:
    write_months(data, range(1, 2))
    with pytest.raises(SpecError, match=rf"validation\.expectations\.0: {kind} judges no single row"):
        _run(store, data, {"type": kind, "severity": "drop", **arguments})


def test_what_could_not_be_evaluated_drops_nothing_and_stops(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    result = _run(store, data, {**FAR, "column": "origin"})
    assert not result.success
    assert "could not be evaluated" in explain(result)
    assert result.dataset == result.tested
