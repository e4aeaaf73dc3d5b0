from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.reading import load_version, read_frame, read_rows
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import dataset_key
from airflow_mlops.core.errors import DataError, IntegrityError, KeyMissing
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.spec import ModelSpec
from tests.core.flights import COLUMNS, sample, spec, write_months


def _utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[arg-type]


def _keys(store: Store) -> set[str]:
    """All keys but those of the audit log."""
    return {item.key for item in store.list("") if not item.key.startswith("audit/")}


def _csv_spec(**data: str) -> ModelSpec:
    fields = {"source": "*.csv", "event_time": "at", "label": "y", **data}
    return spec(data=fields, features={"columns": ["x"]})


def test_a_version_pins_the_bytes_and_says_what_is_in_them(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    steps: list[str] = []
    version = snapshot(store, FolderRoot(data), spec(), progress=steps.append)

    expected = sample()[sample()["month"] <= 3]
    assert version.rows == len(expected) == 300
    assert [file.source for file in version.files] == [
        f"flights/2013-0{month}.parquet" for month in (1, 2, 3)
    ]
    for file in version.files:
        assert store.read(blob_key(file.sha256)) == (data / file.source).read_bytes()
        assert file.rows == 100
    assert version.first_event == expected["time_hour"].min()
    assert version.last_event == expected["time_hour"].max()
    assert re.fullmatch(r"[0-9a-f]{24}", version.id)
    columns = {column.name: column for column in version.columns}
    distance = columns["distance"]
    assert (distance.min, distance.max) == (expected["distance"].min(), expected["distance"].max())
    assert distance.mean == pytest.approx(expected["distance"].mean(), rel=1e-12)
    assert distance.distinct == expected["distance"].nunique()
    assert columns["carrier"].distinct == expected["carrier"].nunique()
    assert columns["tailnum"].nulls == expected["tailnum"].isna().sum()
    assert columns["time_hour"].type == "timestamp[us, tz=UTC]"
    assert columns["time_hour"].max == expected["time_hour"].max().isoformat()
    assert load_version(store, "flight_delay", version.id) == version
    assert any("2013-02.parquet" in step for step in steps)


def test_the_same_bytes_give_the_same_version_and_store_nothing_twice(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    version = snapshot(store, FolderRoot(data), spec())
    keys = _keys(store)
    assert snapshot(store, FolderRoot(data), spec()) == version
    assert _keys(store) == keys
    write_months(data, range(4, 5))
    longer = snapshot(store, FolderRoot(data), spec())
    assert longer.id != version.id
    assert len(_keys(store) - keys) == 2, "one new blob and one manifest"


def test_a_window_keeps_its_version_when_later_batches_arrive(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    until = _utc(2013, 3, 1)
    version = snapshot(store, FolderRoot(data), spec(), until=until)
    assert [file.source for file in version.files] == ["flights/2013-01.parquet", "flights/2013-02.parquet"]
    write_months(data, range(4, 6))
    (data / "flights" / "2013-09.parquet").write_bytes((data / "flights" / "2013-05.parquet").read_bytes())
    assert snapshot(store, FolderRoot(data), spec(), until=until) == version
    assert snapshot(store, FolderRoot(data), spec(), until=datetime(2013, 3, 1)) == version, "naive is UTC"  # noqa: DTZ001


def test_a_window_cuts_inside_files_and_counts_only_what_is_inside(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    since, until = _utc(2013, 1, 15), _utc(2013, 2, 15)
    version = snapshot(store, FolderRoot(data), spec(), since=since, until=until)
    flights = sample()
    expected = flights[(flights["time_hour"] >= since) & (flights["time_hour"] < until)]
    assert version.rows == len(expected) == len(read_frame(store, version))
    assert [file.rows for file in version.files] == [100, 100]
    mean = next(column.mean for column in version.columns if column.name == "distance")
    assert mean == pytest.approx(expected["distance"].mean(), rel=1e-12)
    edge = expected["time_hour"].iloc[0]
    one = snapshot(store, FolderRoot(data), spec(), since=edge, until=edge + pd.Timedelta("1us"))
    assert (one.first_event, one.last_event) == (edge, edge), "since is inside, until is not"


def test_reading_gives_what_was_written_in_order_of_time(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    version = snapshot(store, FolderRoot(data), spec())
    for file in (data / "flights").iterdir():
        file.unlink()
    frame = read_frame(store, version)
    expected = sample()[sample()["month"] <= 3].drop(columns="month").reset_index(drop=True)
    expected["time_hour"] = expected["time_hour"].dt.as_unit("us")
    pd.testing.assert_frame_equal(frame, expected)
    part = read_frame(store, version, columns=["late", "carrier"])
    pd.testing.assert_frame_equal(part, expected[["late", "carrier"]])
    with pytest.raises(DataError, match=r"carier .*close: carrier"):
        read_frame(store, version, columns=["carier"])


def test_a_row_can_be_found_again_in_its_file(data: Path, store: Store) -> None:
    write_months(data, range(1, 3), change=lambda month: month.iloc[::-1])
    version = snapshot(store, FolderRoot(data), spec())
    rows = read_rows(store, version, ["distance", "tailnum"])
    files = [pd.read_parquet(data / file.source) for file in version.files]
    for place in (0, 57, 199):
        there = files[rows.file[place]].iloc[rows.row[place]]
        assert rows.frame["distance"].iloc[place] == there["distance"]
        assert rows.frame["tailnum"].iloc[place] == there["tailnum"]


def test_rows_of_the_same_time_keep_the_order_of_the_files(data: Path, store: Store) -> None:
    (data / "b.csv").write_text("at,x,y\n2013-01-02,3,0\n2013-01-01,4,1\n")
    (data / "a.csv").write_text("at,x,y\n2013-01-02,1,0\n2013-01-02,2,1\n")
    version = snapshot(store, FolderRoot(data), _csv_spec())
    rows = read_rows(store, version)
    assert rows.frame["x"].tolist() == [4, 1, 2, 3]
    assert list(zip(rows.file.tolist(), rows.row.tolist(), strict=True)) == [(1, 1), (0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(
    "times",
    [
        pd.to_datetime(["2013-01-01 05:00", "2013-06-01 06:30"]),
        pd.to_datetime(["2013-01-01 05:00", "2013-06-01 06:30"], utc=True),
        pd.to_datetime(["2013-01-01 00:00-05:00", "2013-06-01 02:30-04:00"], utc=True).tz_convert(
            "America/New_York"
        ),
        ["2013-01-01T05:00:00Z", "2013-06-01T06:30:00"],
        ["2013-01-01 06:00+01:00", "2013-06-01T06:30:00.000000Z"],
        pd.Categorical(["2013-01-01 05:00", "2013-06-01 06:30"]),
    ],
    ids=["naive", "utc", "zone", "text", "offset", "dictionary"],
)
@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_event_times_of_every_kind_are_utc(data: Path, store: Store, times: Any, unit: str) -> None:
    if isinstance(times, pd.DatetimeIndex):
        times = times.as_unit(unit)
    pd.DataFrame({"at": times, "x": [1.0, 2.0], "y": [0, 1]}).to_parquet(data / "a.parquet")
    version = snapshot(store, FolderRoot(data), _csv_spec(source="*.parquet"))
    assert version.first_event == _utc(2013, 1, 1, 5)
    assert version.last_event == _utc(2013, 6, 1, 6, 30)
    assert str(read_frame(store, version)["at"].dtype) == "datetime64[us, UTC]"
    before = snapshot(store, FolderRoot(data), _csv_spec(source="*.parquet"), until=_utc(2013, 6, 1, 6, 30))
    assert read_frame(store, before)["x"].tolist() == [1.0]


def test_csv_gets_the_narrowest_types_that_hold_every_value(data: Path, store: Store) -> None:
    head = "at,whole,number,flag,day,zoned,text,empty,mixed,x,y\n"
    (data / "a.csv").write_text(
        head + '2013-01-01,1,1,true,2013-01-01,2013-01-01T00:00:00Z,"a,\nb",,1,1,0\n'
        "2013-01-02,NA,2,,2013-01-02,,,,2,1,0\n"
    )
    (data / "b.csv").write_text(head + "2013-01-03,3,2.5,false,,,NA,,3,1,1\n")
    version = snapshot(store, FolderRoot(data), _csv_spec())
    types = {column.name: column.type for column in version.columns}
    assert types == {
        "at": "timestamp[us, tz=UTC]",
        "whole": "int64",
        "number": "double",
        "flag": "bool",
        "day": "timestamp[us]",
        "zoned": "timestamp[us, tz=UTC]",
        "text": "string",
        "empty": "null",
        "mixed": "int64",
        "x": "int64",
        "y": "int64",
    }
    frame = read_frame(store, version)
    assert frame["text"].tolist() == ["a,\nb", None, None]
    assert frame["whole"].isna().tolist() == [False, True, False]
    assert frame["number"].tolist() == [1.0, 2.0, 2.5]


def test_csv_types_are_those_of_all_rows_not_of_the_first_block(data: Path, store: Store) -> None:
    rows = 400_000
    lines = (
        f"2013-01-01,{'' if n < rows - 2 else n},{n}{'.5' if n == rows - 1 else ''},{n % 2}\n"
        for n in range(rows)
    )
    (data / "a.csv").write_text("at,late,x,y\n" + "".join(lines))
    assert (data / "a.csv").stat().st_size > 2 * (4 << 20) - 1e6
    version = snapshot(store, FolderRoot(data), _csv_spec())
    columns = {column.name: column for column in version.columns}
    assert (columns["late"].type, columns["late"].nulls) == ("int64", rows - 2)
    assert (columns["x"].type, columns["x"].max, columns["x"].distinct) == ("double", rows - 0.5, None)
    assert columns["x"].mean == pytest.approx((rows - 1) / 2 + 0.5 / rows)


def test_schemas_may_widen_as_pandas_widens_them(data: Path, store: Store) -> None:
    base = {"at": pd.to_datetime(["2013-01-01"]), "y": [1]}
    pd.DataFrame({**base, "x": [1], "z": [None]}).to_parquet(data / "a.parquet")
    pd.DataFrame({"z": ["b"], **base, "x": [1.5]}).to_parquet(data / "b.parquet")
    version = snapshot(store, FolderRoot(data), _csv_spec(source="*.parquet"))
    assert {c.name: c.type for c in version.columns}["x"] == "double"
    assert read_frame(store, version, ["x", "z"]).values.tolist() == [[1.0, None], [1.5, "b"]]


def test_nan_is_null_and_infinity_spoils_no_mean(data: Path, store: Store) -> None:
    frame = pd.DataFrame(
        {"at": pd.date_range("2013", periods=4), "x": [1.0, np.nan, np.inf, 3.0], "y": [0, 1, 0, 1]}
    )
    frame.to_parquet(data / "a.parquet")
    version = snapshot(store, FolderRoot(data), _csv_spec(source="*.parquet"))
    x = next(column for column in version.columns if column.name == "x")
    assert (x.nulls, x.min, x.max, x.mean, x.distinct) == (1, 1.0, 3.0, 2.0, 3)
    assert load_version(store, version.name, version.id) == version


def _drop(*names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda frame: frame.drop(columns=list(names))


@pytest.mark.parametrize(
    "change,sections,words",
    [
        (_drop("late"), {}, ["late", "data.label", "2013-01"]),
        (_drop("time_hour"), {}, ["time_hour", "data.event_time", "2013-01"]),
        (_drop("carrier", "hour"), {}, ["carrier", "hour", "features.columns"]),
        (None, {"features": {"columns": ["distanse"]}}, ["distanse", "features.columns", "close: distance"]),
        (
            None,
            {"data": {"source": "flights/*.parquet", "event_time": "hour", "label": "late"}},
            ["hour", "int64"],
        ),
        (
            None,
            {"data": {"source": "flights/*.parquet", "event_time": "origin", "label": "late"}},
            ["no time", "row 0"],
        ),
        (lambda frame: frame.assign(time_hour=None), {}, ["time_hour", "no time in 100 of 100"]),
        (
            lambda frame: frame.assign(late=pd.Series(dtype="Int64")),
            {},
            ["label late has no value", "200 rows"],
        ),
        (lambda frame: frame.iloc[:0], {}, ["empty", "flights/*.parquet"]),
    ],
    ids=["label", "time", "features", "close", "number", "text", "null-times", "null-label", "no-rows"],
)
def test_bad_data_is_one_clear_line_and_stores_nothing(
    data: Path, store: Store, change: Any, sections: dict[str, Any], words: list[str]
) -> None:
    write_months(data, range(1, 3), change=change)
    with pytest.raises(DataError) as caught:
        snapshot(store, FolderRoot(data), spec(**sections))
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _keys(store) == set()


def test_differing_schemas_name_the_file_and_the_column(data: Path, store: Store) -> None:
    write_months(data, range(1, 4))
    second = data / "flights" / "2013-02.parquet"
    frame = pd.read_parquet(second)
    for change, words in (
        (frame.drop(columns="dest"), "2013-02.parquet lacks the column dest"),
        (frame.assign(extra=1), "2013-02.parquet has a column extra more"),
        (frame.assign(distance=frame["distance"].astype(str)), "column distance of flights/2013-02.parquet"),
    ):
        change.to_parquet(second)
        with pytest.raises(DataError, match=words):
            snapshot(store, FolderRoot(data), spec())
    assert _keys(store) == set()


def test_a_window_without_rows_and_a_window_that_can_hold_none(data: Path, store: Store) -> None:
    write_months(data, range(1, 3))
    with pytest.raises(DataError, match=r"no row .* 200 rows outside of 2014"):
        snapshot(store, FolderRoot(data), spec(), since=_utc(2014, 1, 1))
    with pytest.raises(DataError, match="since before until"):
        snapshot(store, FolderRoot(data), spec(), since=_utc(2014, 1, 1), until=_utc(2013, 1, 1))


@pytest.mark.parametrize(
    "content,words",
    [
        (b"", "Empty CSV"),
        (b"at,x,y\n2013-01-01,1\n", "Expected 3 columns, got 2"),
        (b"at,x,y\n2013-01-01,\xff\xfe,1\n", "UTF8"),
        (b"at,x,x,y\n2013-01-01,1,2,1\n", "column x 2 times"),
        (b"at,x,y\n2013-01-01,1,0\nsoon,1,1\n", "no time in 1 of 2 rows, first in row 1; given 'soon'"),
    ],
)
def test_broken_csv(data: Path, store: Store, content: bytes, words: str) -> None:
    (data / "a.csv").write_bytes(content)
    with pytest.raises(DataError) as caught:
        snapshot(store, FolderRoot(data), _csv_spec())
    assert words in str(caught.value)
    assert "a.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_parquet_is_said_by_name(data: Path, store: Store) -> None:
    write_months(data, range(1, 3))
    (data / "flights" / "2013-02.parquet").write_bytes(b"PAR1 not really PAR1")
    with pytest.raises(DataError, match=r"2013-02\.parquet can't be read as parquet"):
        snapshot(store, FolderRoot(data), spec())


def test_changed_and_missing_blobs_are_named(data: Path, store: Store, tmp_path: Path) -> None:
    write_months(data, range(1, 3))
    version = snapshot(store, FolderRoot(data), spec())
    blob = tmp_path / "store" / blob_key(version.files[1].sha256)
    blob.chmod(0o644)
    blob.write_bytes(b"changed")
    with pytest.raises(
        IntegrityError, match=rf"2013-02\.parquet of dataset version flight_delay@{version.id}"
    ):
        read_frame(store, version)
    blob.unlink()
    with pytest.raises(KeyMissing, match=r"2013-02\.parquet"):
        read_frame(store, version)
    with pytest.raises(DataError, match="snapshot first"):
        load_version(store, "flight_delay", "0" * 24)


def test_a_damaged_cache_is_mended(data: Path, store: Store) -> None:
    write_months(data, range(1, 2))
    version = snapshot(store, FolderRoot(data), spec())
    before = read_frame(store, version)
    cached = next(Path(os.environ["AIRFLOW_MLOPS_CACHE"]).rglob(version.files[0].sha256))
    cached.chmod(0o644)
    cached.write_bytes(b"damaged")
    pd.testing.assert_frame_equal(read_frame(store, version), before)


def test_a_file_that_changes_under_the_snapshot_is_not_pinned(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_months(data, range(1, 2))

    def touch(step: str) -> None:
        if step.startswith("counting"):
            (data / "flights" / "2013-01.parquet").open("ab").write(b"\0")

    with pytest.raises(DataError, match=r"changed while it was read|can't be read"):
        snapshot(store, FolderRoot(data), spec(), progress=touch)
    assert not [key for key in _keys(store) if key.startswith("datasets/")]


def test_killed_before_the_manifest_a_second_run_completes_it(data: Path, tmp_path: Path) -> None:
    write_months(data, range(1, 4))
    script = f"""
import os, signal
from pathlib import Path
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.store.folder import FolderStore
from tests.core.flights import spec
class Dying(FolderStore):
    def create(self, key, data):
        os.kill(os.getpid(), signal.SIGKILL)
snapshot(Dying(Path({str(tmp_path / "store")!r})), FolderRoot(Path({str(data)!r})), spec())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, timeout=300, env={**os.environ, "PYTHONPATH": "."}
    )
    assert done.returncode == -9
    store = open_store(str(tmp_path / "store"))
    blobs = _keys(store)
    assert len(blobs) == 3
    version = snapshot(store, FolderRoot(data), spec())
    assert _keys(store) - blobs == {dataset_key(version.name, version.id)}
    assert len(read_frame(store, version, COLUMNS)) == 300


def test_the_name_is_no_part_of_the_id_but_the_event_time_is(data: Path, store: Store) -> None:
    write_months(data, range(1, 2), change=lambda frame: frame.assign(booked=frame["time_hour"]))
    version = snapshot(store, FolderRoot(data), spec())
    assert snapshot(store, FolderRoot(data), spec(name="another_model")).id == version.id
    booked = spec(data={"source": "flights/*.parquet", "event_time": "booked", "label": "late"})
    assert snapshot(store, FolderRoot(data), booked).id != version.id
