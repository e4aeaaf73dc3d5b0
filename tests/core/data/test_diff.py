"""What changed between two versions: rows by key or by content, the schema, and every column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from airflow_mlops.core.data.diff import VersionDiff, diff
from airflow_mlops.core.data.diff_text import diff_lines
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from tests.core.flights import sample, spec


def _frame(rows: int = 6, **columns: Any) -> pd.DataFrame:
    times = pd.date_range("2013-01-01", periods=rows, freq="h", tz="UTC")
    numbers = {"id": range(rows), "x": np.arange(rows) * 1.5, "y": [0, 1] * (rows // 2)}
    return pd.DataFrame({"at": times, **numbers, **columns})


class Versions:
    """Makes a version of a frame."""

    def __init__(self, data: Path, store: Store) -> None:
        self.data, self.store = data, store

    def __call__(self, frame: pd.DataFrame, feature: str = "x", **window: Any) -> DatasetVersion:
        frame.to_parquet(self.data / "rows.parquet", index=False)
        fields = {"source": "*.parquet", "event_time": "at", "label": "y"}
        made = spec(data=fields, features={"columns": [feature]})
        return snapshot(self.store, FolderRoot(self.data), made, **window)

    def diff(self, a: pd.DataFrame, b: pd.DataFrame, *key: str, feature: str = "x") -> VersionDiff:
        return diff(self.store, self(a), self(b, feature), key=key)


@pytest.fixture
def versions(data: Path, store: Store) -> Versions:
    return Versions(data, store)


def test_rows_by_key(versions: Versions) -> None:
    old, new = _frame(), _frame()
    new.loc[new["id"] == 2, "x"] = -1.0
    new.loc[new["id"] == 3, ["x", "y"]] = [-1.0, 0]
    new = pd.concat([new[new["id"] != 0], _frame(8)[6:]])
    found = versions.diff(old, new, "id")
    rows = found.rows
    assert (rows.added, rows.removed, rows.changed, rows.same) == (2, 1, 2, 3)
    assert {column.name: column.changed for column in found.columns} == {"id": None, "at": 0, "x": 2, "y": 1}
    assert VersionDiff.from_bytes(found.to_bytes()) == found


def test_whole_rows_are_counted(versions: Versions) -> None:
    old = pd.concat([_frame(4), _frame(4)[:1], _frame(4)[:1]])
    found = versions.diff(old, _frame(6))
    assert (found.rows.added, found.rows.removed, found.rows.changed, found.rows.same) == (2, 2, None, 4)


def test_missing_values_are_equal_and_a_nan_is_one(versions: Versions) -> None:
    old, new = _frame(tag="a"), _frame(tag="a")
    old.loc[0, ["x", "tag"]] = [np.nan, None]
    new.loc[0, ["x", "tag"]] = [np.nan, None]
    assert versions.diff(old, new, "id").rows.same == versions.diff(old, new).rows.same == 6
    new.loc[0, "x"] = 0.0
    assert versions.diff(old, new, "id").rows.changed == 1


def test_only_rows_in_the_window_count(versions: Versions) -> None:
    frame = _frame(6)
    a = versions(frame, until=frame["at"][4])
    b = versions(frame, since=frame["at"][2])
    rows = diff(versions.store, a, b, key=["id"]).rows
    assert (rows.added, rows.removed, rows.changed, rows.same) == (2, 2, 0, 2)


def test_the_schema(versions: Versions) -> None:
    old = _frame(60, went=np.arange(60) * 2, gone="a")
    new = _frame(60, came=np.arange(60) * 2, fresh=np.arange(60) + 1000)
    new["id"] = new["id"].astype(str)
    found = versions.diff(old, new)
    assert (found.columns_added, found.columns_removed) == (("came", "fresh"), ("went", "gone"))
    assert [(one.old, one.new, one.distance) for one in found.renamed] == [("went", "came", 0.0)]
    assert [(one.name, one.type_a, one.type_b) for one in found.retyped] == [("id", "int64", "string")]
    assert found.rows.same == 60, "a number is the text that it is written as"
    lines = "\n".join(diff_lines(found))
    for part in (
        "columns added: came, fresh",
        "columns removed: went, gone",
        "perhaps renamed: went -> came",
        "type of id: int64 -> string",
    ):
        assert part in lines


def test_shifts_are_those_of_scipy_and_of_the_shares(versions: Versions) -> None:
    flights = sample().rename(columns={"time_hour": "at", "late": "y"})
    old, new = (
        flights[flights["month"] == month].drop(columns="month").reset_index(drop=True) for month in (6, 7)
    )
    old.loc[:9, "distance"] = np.nan
    found = diff(versions.store, versions(old, "distance"), versions(new, "distance"))
    columns = {one.name: one for one in found.columns}
    distance = columns["distance"]
    assert distance.measure == "kolmogorov_smirnov"
    assert distance.distance == pytest.approx(
        ks_2samp(old["distance"].dropna(), new["distance"]).statistic, abs=1e-12
    )
    assert (distance.nulls_a, distance.nulls_b) == (0.1, 0.0)
    assert distance.mean_a == pytest.approx(old["distance"].mean())
    assert distance.distinct_a == old["distance"].nunique()
    carrier = columns["carrier"]
    shares = [frame["carrier"].value_counts(normalize=True) for frame in (old, new)]
    assert carrier.measure == "total_variation"
    assert carrier.distance == pytest.approx(
        shares[0].sub(shares[1], fill_value=0).abs().sum() / 2, abs=1e-12
    )
    assert columns["at"].distance == 1.0, "all of July lies after June"
    assert diff_lines(found)[5].startswith("at "), "what moved most comes first"


def test_infinities_and_empty_columns(versions: Versions) -> None:
    old, new = _frame(4, x=[1.0, 2.0, np.inf, 3.0], e=None), _frame(4, x=[1.0, 2.0, -np.inf, 3.0], e=None)
    columns = {one.name: one for one in versions.diff(old, new).columns}
    assert (columns["x"].mean_a, columns["x"].mean_b) == (2.0, 2.0)
    assert columns["x"].distance == 0.25
    assert (columns["e"].nulls_a, columns["e"].distance, columns["e"].mean_a) == (1.0, None, None)


def test_nested_columns_are_compared_without_a_distance(versions: Versions) -> None:
    old, new = _frame(4, tags=[[1], [2], [], None]), _frame(4, tags=[[1], [3], [], None])
    found = versions.diff(old, new, "id")
    assert found.rows.changed == 1
    assert next(one.distance for one in found.columns if one.name == "tags") is None


def test_names_that_need_quotes(versions: Versions) -> None:
    name = "a \"b\" 'c'; --"
    found = versions.diff(_frame(**{name: "u"}), _frame(**{name: "v"}), "id")
    assert next(one.changed for one in found.columns if one.name == name) == 6


@pytest.mark.parametrize("keyed", [False, True])
def test_a_version_is_the_same_as_itself(versions: Versions, keyed: bool) -> None:
    found = versions.diff(_frame(), _frame(), *(["id"] if keyed else []))
    assert found.a == found.b
    assert (found.rows.same, found.rows.added, found.rows.removed) == (6, 0, 0)
    assert all(one.distance == 0 for one in found.columns)


def test_a_key_that_is_not_unique_is_refused(versions: Versions) -> None:
    twice = pd.concat([_frame(), _frame()[2:3]])
    with pytest.raises(
        DataError, match=r"key id of .* is not unique: 1 values stand more than once; given 2 in 2 rows"
    ):
        versions.diff(_frame(), twice, "id")


def test_a_key_that_is_missing_in_a_row_is_refused(versions: Versions) -> None:
    holes = _frame(id=["a", None, "c", "d", "e", "f"])
    with pytest.raises(DataError, match=r"key id of .* is missing in 1 rows"):
        versions.diff(holes, _frame(), "id")


def test_a_key_that_a_version_lacks_is_refused(versions: Versions) -> None:
    with pytest.raises(DataError, match=r"lacks id \(the key"):
        versions.diff(_frame(), _frame().rename(columns={"id": "number"}), "id")


def test_nothing_in_common(data: Path, store: Store) -> None:
    made = []
    for name, x, at, y in (("a", "x", "at", "y"), ("b", "u", "time", "label")):
        frame = _frame()[["x", "at", "y"]].rename(columns={"x": x, "at": at, "y": y})
        frame.to_parquet(data / f"{name}.parquet", index=False)
        fields = {"source": f"{name}.parquet", "event_time": at, "label": y}
        made.append(snapshot(store, FolderRoot(data), spec(data=fields, features={"columns": [x]})))
    with pytest.raises(DataError, match="have no column in common"):
        diff(store, *made)


def test_progress_names_the_columns(versions: Versions) -> None:
    steps: list[str] = []
    diff(versions.store, versions(_frame()), versions(_frame(8)), progress=steps.append)
    assert any("comparing column x (3 of 4)" in step for step in steps), json.dumps(steps)
