"""Delta Lake tables: pinned by their version, read where they lie, at any later time."""

from __future__ import annotations

import json
import sys
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_mlops.core.data.diff import diff
from airflow_mlops.core.data.opening import open_version
from airflow_mlops.core.data.reading import load_version, local_parquet, read_batches, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, IntegrityError, KeyMissing, PlatformError
from airflow_mlops.core.store import Store
from tests.core.data.deletion import delete_rows
from tests.core.flights import sample, spec


def _take(store: Store, data: Path, feature: str = "distance", **window: Any) -> DatasetVersion:
    fields = {"delta": "tables/flights", "event_time": "time_hour", "label": "late"}
    made = spec(data=fields, features={"columns": [feature]})
    return snapshot(store, FolderRoot(data), made, **window)


def _months(*months: int) -> pd.DataFrame:
    flights = sample(20)
    return flights[flights["month"].isin(months)].drop(columns="month").reset_index(drop=True)


def _write(data: Path, frame: pd.DataFrame, **options: Any) -> Path:
    table = data / "tables" / "flights"
    table.parent.mkdir(exist_ok=True)
    write_deltalake(table, pa.Table.from_pandas(frame, preserve_index=False), **{"mode": "append", **options})
    return table


def _expected(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.sort_values("time_hour", kind="stable").reset_index(drop=True)
    return frame.assign(time_hour=frame["time_hour"].dt.as_unit("us"))


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values([*frame.columns]).reset_index(drop=True)


def _keys(store: Store) -> list[str]:
    """All keys but those of the audit log."""
    return [item.key for item in store.list("") if not item.key.startswith("audit/")]


def test_a_table_is_pinned_and_nothing_copied(data: Path, store: Store) -> None:
    table = _write(data, _months(1, 2))
    version = _take(store, data)
    assert (version.table.folder, version.table.version) == ("tables/flights", 0)
    assert version.table.id == str(DeltaTable(table).metadata().id)
    assert _keys(store) == [f"datasets/flight_delay/{version.id}.json"]
    assert version.rows == 40
    columns = {one.name: one for one in version.columns}
    assert columns["distance"].mean == pytest.approx(_months(1, 2)["distance"].mean())
    assert columns["carrier"].distinct == _months(1, 2)["carrier"].nunique()
    loaded = load_version(store, "flight_delay", version.id)
    pd.testing.assert_frame_equal(read_frame(store, loaded), _expected(_months(1, 2)))
    assert _take(store, data) == version
    assert local_parquet(store, version) == (data / version.files[0].source,), (
        "engines read the table's own file"
    )


def test_an_old_version_is_read_after_later_writes(data: Path, store: Store) -> None:
    _write(data, _months(1))
    first = _take(store, data)
    _write(data, _months(2))
    second = _take(store, data)
    _write(data, _months(3), mode="overwrite")
    third = _take(store, data)
    assert [one.table.version for one in (first, second, third)] == [0, 1, 2]
    assert len({first.id, second.id, third.id}) == 3
    for version, months in ((first, (1,)), (second, (1, 2)), (third, (3,))):
        pd.testing.assert_frame_equal(_rows(read_frame(store, version)), _rows(_expected(_months(*months))))
    rows = diff(store, first, second).rows
    assert (rows.added, rows.removed, rows.same) == (20, 0, 20)


def test_a_closed_window_keeps_its_id_and_other_files_are_not_read(data: Path, store: Store) -> None:
    _write(data, _months(1))
    until = datetime(2013, 2, 1, 5, tzinfo=timezone.utc)
    version = _take(store, data, until=until)
    table = _write(data, _months(2))
    outside = next(path for path in table.glob("*.parquet") if path.name not in version.files[0].source)
    outside.write_bytes(b"never looked at")
    assert _take(store, data, until=until) == version
    since = datetime(2013, 3, 1, tzinfo=timezone.utc)
    with pytest.raises(
        DataError, match=r"no row of version 1 of Delta table tables/flights .* in the window"
    ):
        _take(store, data, since=since)


def test_partition_columns_have_their_values_and_types(data: Path, store: Store) -> None:
    frame = _months(1, 2)
    frame["day"] = [date(2013, 1, 1 + row % 3) for row in range(len(frame))]
    frame["place"] = [("New York", "a/b ü", None)[row % 3] for row in range(len(frame))]
    frame["number"] = [row % 3 for row in range(len(frame))]
    _write(data, frame, partition_by=["day", "place", "number"])
    version = _take(store, data)
    assert len(version.files) == 3
    types = {one.name: one.type for one in version.columns}
    assert (types["day"], types["place"], types["number"]) == ("date32[day]", "string", "int64")
    expected = {name: frame[name].value_counts(dropna=False).to_dict() for name in ("place", "number")}
    opened = open_version(store, version.name, version.id)
    for found in (
        opened.to_pandas(),
        opened.to_polars().collect().to_pandas(),
        opened.to_arrow().to_pandas(),
    ):
        assert found["number"].value_counts().to_dict() == expected["number"]
        assert found["place"].fillna("-").value_counts().to_dict() == {"New York": 14, "a/b ü": 13, "-": 13}
        assert sorted(found["distance"]) == sorted(frame["distance"])
    (days,) = opened.to_duckdb().execute("SELECT count(DISTINCT day) FROM data").fetchone()
    assert days == 3


def test_the_event_time_may_be_a_partition_column(data: Path, store: Store) -> None:
    frame = _months(1, 2)
    frame["time_hour"] = frame["time_hour"].dt.date
    _write(data, frame, partition_by=["time_hour"])
    version = _take(store, data, until=datetime(2013, 2, 1, tzinfo=timezone.utc))
    assert version.rows == sum(one < date(2013, 2, 1) for one in frame["time_hour"])
    assert read_frame(store, version)["time_hour"].dt.date.max() < date(2013, 2, 1)


def test_columns_that_were_added_later_are_missing_before(data: Path, store: Store) -> None:
    _write(data, _months(1))
    before = _take(store, data)
    _write(data, _months(2).assign(gate="B7", tags=[[1, 2]] * 20), schema_mode="merge")
    version = _take(store, data)
    gate = read_frame(store, version).sort_values("time_hour")["gate"]
    assert gate.isna().sum() == 20
    assert gate.dropna().unique().tolist() == ["B7"]
    batches = list(read_batches(store, version, ["tags"]))
    assert sum(batch.column("tags").null_count for batch in batches) == 20
    assert diff(store, before, version).columns_added == ("gate", "tags")
    connection = open_version(store, version.name, version.id).to_duckdb()
    assert connection.execute("SELECT count(gate), count(*) FROM data").fetchone() == (20, 40)


def test_rows_that_a_deletion_vector_takes_out_are_out(data: Path, store: Store) -> None:
    table = _write(data, _months(1))
    before = _take(store, data)
    gone = [0, 3, 19]
    delete_rows(table, gone)
    version = _take(store, data)
    assert (version.rows, version.files[0].rows, version.table.version) == (17, 17, 1)
    pd.testing.assert_frame_equal(read_frame(store, version), _expected(_months(1).drop(index=gone)))
    (path,) = local_parquet(store, version)
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(17,)]
    assert diff(store, before, version).rows.removed == 3
    assert len(read_frame(store, before)) == 20


def test_deletion_vectors_that_deltalake_can_not_read(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_rows(_write(data, _months(1)), [1])
    monkeypatch.delattr(DeltaTable, "deletion_vectors")
    with pytest.raises(DataError, match=r"has deletion vectors.*pip install --upgrade deltalake"):
        _take(store, data)


def test_column_mapping_is_refused(data: Path, store: Store) -> None:
    table = _write(data, _months(1))
    log = table / "_delta_log" / f"{0:020d}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        if "protocol" in action:
            action["protocol"].update(minReaderVersion=2, minWriterVersion=5)
        if "metaData" in action:
            action["metaData"]["configuration"] = {"delta.columnMapping.mode": "name"}
            schema = json.loads(action["metaData"]["schemaString"])
            for number, field in enumerate(schema["fields"]):
                names = {"id": number, "physicalName": field["name"]}
                field["metadata"] = {f"delta.columnMapping.{name}": value for name, value in names.items()}
            action["metaData"]["schemaString"] = json.dumps(schema)
    log.write_text("\n".join(json.dumps(action) for action in actions))
    with pytest.raises(DataError, match=r"needs what is not done here; given reader feature columnMapping"):
        _take(store, data)


def test_a_vacuumed_file_is_named(data: Path, store: Store) -> None:
    table = _write(data, _months(1))
    first = _take(store, data)
    _write(data, _months(2), mode="overwrite")
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    with pytest.raises(
        KeyMissing, match=r"tables/flights/part-.*parquet of dataset version .* is gone .*VACUUM"
    ):
        read_frame(store, first)
    assert len(read_frame(store, _take(store, data))) == 20


def test_a_changed_file_is_named(data: Path, store: Store) -> None:
    _write(data, _months(1))
    version = _take(store, data)
    path = data / version.files[0].source
    path.write_bytes(path.read_bytes() + b"!")
    with pytest.raises(
        IntegrityError, match=r"tables/flights/part-.*parquet of dataset version .* was changed"
    ):
        local_parquet(store, version)


def test_a_link_out_of_the_root_is_refused(data: Path, store: Store, tmp_path: Path) -> None:
    outside = _write(tmp_path, _months(1))
    (data / "tables").symlink_to(outside.parent)
    with pytest.raises(DataError, match="leads out of the data root"):
        _take(store, data)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_without_a_table(data: Path, store: Store, there: bool) -> None:
    if there:
        (data / "tables" / "flights").mkdir(parents=True)
    with pytest.raises(
        DataError, match=r"there is no Delta table tables/flights below file:.*data.delta"
    ) as caught:
        _take(store, data)
    assert "\n" not in str(caught.value)


def test_an_empty_table(data: Path, store: Store) -> None:
    DeltaTable.create(data / "tables" / "flights", pa.Table.from_pandas(_months(1)).schema)
    with pytest.raises(
        DataError, match=r"data set is empty: no row in version 0 of Delta table tables/flights"
    ):
        _take(store, data)


def test_a_column_that_the_table_lacks(data: Path, store: Store) -> None:
    _write(data, _months(1))
    with pytest.raises(DataError, match=r"Delta table tables/flights .* lacks distanse .*close: distance"):
        _take(store, data, feature="distanse")


def test_without_deltalake_the_extra_is_named(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(PlatformError, match=r"pip install 'airflow-mlops\[delta\]'"):
        _take(store, data)
