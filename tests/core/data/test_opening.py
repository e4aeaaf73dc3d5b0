"""One version, four ways to open it, the same rows in each."""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from airflow_mlops.core.data.opening import OpenVersion, open_version
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError, IntegrityError, PlatformError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from tests.core.flights import sample, spec, write_months

SINCE, UNTIL = datetime(2013, 1, 15, tzinfo=timezone.utc), datetime(2013, 3, 15, tzinfo=timezone.utc)


@pytest.fixture
def opened(data: Path, store: Store) -> OpenVersion:
    """Two months out of three, the window cuts through two of the files."""
    write_months(data, range(1, 4))
    version = snapshot(store, FolderRoot(data), spec(), since=SINCE, until=UNTIL)
    return open_version(store, "flight_delay", version.id)


@pytest.fixture
def expected() -> pd.DataFrame:
    flights = sample()
    inside = flights[(flights["time_hour"] >= SINCE) & (flights["time_hour"] < UNTIL)].drop(columns="month")
    inside["time_hour"] = inside["time_hour"].dt.as_unit("us")
    return inside.reset_index(drop=True)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.sort_values(list(frame.columns), kind="stable").reset_index(drop=True)
    return frame.astype({name: object for name in frame.columns if frame[name].dtype.kind == "O"})


def test_all_ways_give_the_rows_in_the_window(opened: OpenVersion, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(opened.to_pandas(), expected)
    pd.testing.assert_frame_equal(_sorted(opened.to_arrow().to_pandas()), _sorted(expected))
    lazy = opened.to_polars()
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect_schema()["time_hour"] == pl.Datetime("us", "UTC")
    pd.testing.assert_frame_equal(_sorted(lazy.collect().to_arrow().to_pandas()), _sorted(expected))
    with opened.to_duckdb() as connection:
        table = connection.sql("SELECT * FROM data").to_arrow_table()
    assert str(table.schema.field("time_hour").type) == "timestamp[us, tz=UTC]"
    pd.testing.assert_frame_equal(_sorted(table.to_pandas()), _sorted(expected))


def test_some_columns(opened: OpenVersion) -> None:
    assert opened.to_arrow(["late", "carrier"]).column_names == ["late", "carrier"]
    with pytest.raises(DataError, match=r"carier .*close: carrier"):
        opened.to_arrow(["carier"])


def test_csv_is_opened_alike(data: Path, store: Store) -> None:
    flights = sample(5).drop(columns="month")
    flights.to_csv(data / "rows.csv", index=False)
    root = FolderRoot(data)
    version = snapshot(
        store, root, spec(data={"source": "*.csv", "event_time": "time_hour", "label": "late"})
    )
    opened = open_version(store, version.name, version.id, root=root)
    assert opened.to_duckdb().execute("SELECT sum(distance) FROM data").fetchone() == (
        flights["distance"].sum(),
    )
    assert opened.to_polars().select(pl.col("distance").sum()).collect().item() == flights["distance"].sum()


def test_two_versions_on_one_connection(opened: OpenVersion) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    opened.to_duckdb(connection, view='the "old" one')
    opened.to_duckdb(connection, view="new")
    query = 'SELECT count(*) FROM new JOIN "the ""old"" one" AS old USING (time_hour, carrier, tailnum, sched_dep_time)'
    (count,) = connection.execute(query).fetchone() or (0,)
    assert count >= opened.version.rows
    ((zone,),) = connection.execute("SELECT current_setting('TimeZone')").fetchall()
    assert zone == "UTC"


@pytest.mark.parametrize("way", ["to_arrow", "to_pandas", "to_polars", "to_duckdb"])
def test_changed_bytes_are_not_handed_out(
    opened: OpenVersion, store: Store, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "fresh"))
    blob = tmp_path / "store" / blob_key(opened.version.files[1].sha256)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(IntegrityError, match=r"2013-02.parquet of dataset version flight_delay@"):
        getattr(opened, way)()


def test_without_polars_the_extra_is_named(opened: OpenVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(PlatformError, match=r"pip install 'airflow-mlops\[polars\]'"):
        opened.to_polars()


def test_an_unknown_version(store: Store) -> None:
    with pytest.raises(DataError, match=r"flight_delay@nope is not in"):
        open_version(store, "flight_delay", "nope")
