"""The same samples from a frame, a table, batches, and the files of a dataset version."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import IntegrityError
from airflow_mlops.core.monitoring.columns import Watched, watch
from airflow_mlops.core.monitoring.sample import Categories, Sample
from airflow_mlops.core.monitoring.statistics import (
    samples_of_batches,
    samples_of_frame,
    samples_of_table,
    samples_of_version,
    sources,
)
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import blob_key
from tests.core.flights import sample, spec, write_months
from tests.core.monitoring.statistics.test_reading import same

SINCE, UNTIL = datetime(2013, 1, 15, tzinfo=timezone.utc), datetime(2013, 3, 15, tzinfo=timezone.utc)
GONE = Watched("gone", "number", "number")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def _columns(version: DatasetVersion) -> list[Watched]:
    return [watch(one, categorical=one.name == "hour") for one in version.columns]


def _named(samples: Iterator[tuple[Watched, Sample | None]]) -> dict[str, Sample | None]:
    return {column.name: one for column, one in samples}


def _all_same(one: dict[str, Sample | None], other: dict[str, Sample | None]) -> bool:
    return list(one) == list(other) and all(
        first is second if first is None or second is None else same(first, second)
        for first, second in zip(one.values(), other.values(), strict=True)
    )


@pytest.mark.parametrize("cells", [1, 500, 10**6])
def test_the_rows_of_a_version_in_its_window(
    store: Store, tmp_path: Path, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window cuts through two of three files; in one pass, or column by column."""
    monkeypatch.setattr(sources, "_CELLS", cells)
    monkeypatch.setattr(sources, "_BATCH", 30)
    write_months(tmp_path / "data", range(1, 4))
    version = snapshot(store, FolderRoot(tmp_path / "data"), spec(), since=SINCE, until=UNTIL)
    columns = [*_columns(version), GONE]
    steps: list[str] = []
    found = _named(samples_of_version(store, version, columns, progress=steps.append))
    assert _all_same(found, _named(samples_of_frame(read_frame(store, version), columns)))
    assert found["gone"] is None
    some = found["distance"]
    assert some is not None
    assert some.rows == version.rows
    assert len(steps) == {1: len(columns), 500: 5, 10**6: 1}[cells]


def test_a_version_of_csv_files(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    sample(20).to_csv(tmp_path / "data" / "rows.csv", index=False)
    data = {"source": "*.csv", "event_time": "time_hour", "label": "late"}
    version = snapshot(store, FolderRoot(tmp_path / "data"), spec(data=data))
    columns = _columns(version)
    expected = _named(samples_of_frame(read_frame(store, version), columns))
    assert _all_same(_named(samples_of_version(store, version, columns)), expected)


def test_a_column_that_a_table_got_later_is_missing_before(store: Store, tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    (tmp_path / "data").mkdir()
    flights = sample(20).drop(columns="month")
    for rows in (flights[:50], flights[50:90].assign(gate="B7")):
        table = pa.Table.from_pandas(rows, preserve_index=False)
        deltalake.write_deltalake(tmp_path / "data" / "flights", table, mode="append", schema_mode="merge")
    data = {"delta": "flights", "event_time": "time_hour", "label": "late"}
    version = snapshot(store, FolderRoot(tmp_path / "data"), spec(data=data))
    columns = _columns(version)
    found = _named(samples_of_version(store, version, columns))
    assert _all_same(found, _named(samples_of_frame(read_frame(store, version), columns)))
    assert found["gate"] == Categories({"B7": 40}, 50)


def test_changed_bytes_are_not_read(store: Store, tmp_path: Path) -> None:
    write_months(tmp_path / "data", range(1, 3))
    version = snapshot(store, FolderRoot(tmp_path / "data"), spec())
    blob = tmp_path / "store" / blob_key(version.files[1].sha256)
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(IntegrityError, match=r"2013-02.parquet of dataset version flight_delay@"):
        list(samples_of_version(store, version, _columns(version)))


def test_tables_and_batches() -> None:
    frame = sample(20)[["carrier", "distance", "time_hour", "late"]].copy()
    frame.loc[::7, "distance"] = None
    columns = [
        Watched("late", "number", "category"),
        Watched("distance", "number", "number"),
        GONE,
        Watched("carrier", "string", "category"),
        Watched("time_hour", "time", "time"),
    ]
    expected = _named(samples_of_frame(frame, columns))
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert _all_same(_named(samples_of_table(table, columns)), expected)
    asked: list[str] = []

    def read(name: str) -> Iterator[pa.RecordBatch]:
        asked.append(name)
        yield from table.to_batches(max_chunksize=50)

    batches = samples_of_batches(read, columns)
    next(batches)
    assert asked == ["late"]
    assert _all_same(_named(samples_of_batches(read, columns)), expected)


def test_batches_may_lack_a_column_that_came_later() -> None:
    column = Watched("x", "number", "number")
    early, late = pa.record_batch({"y": [1, 2]}), pa.record_batch({"x": [1.0], "y": [3]})
    (found,) = _named(samples_of_batches(lambda _: [early, late], [column])).values()
    assert found is not None
    assert same(found, samples_one(pd.Series([1.0, None, None])))
    assert _named(samples_of_batches(lambda _: [early], [column])) == {"x": None}


def samples_one(series: pd.Series[float]) -> Sample:
    ((_, found),) = samples_of_frame(pd.DataFrame({"x": series}), [Watched("x", "number", "number")])
    assert found is not None
    return found
