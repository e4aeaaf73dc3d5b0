"""Copies of dataset versions: read without the store, the root or the network; what was changed meanwhile is named."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from airflow_mlops.core.data.afresh import copy_blob, copy_version
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot, open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, IntegrityError, KeyMissing
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import blob_key
from tests.core.flights import sample, spec, write_months
from tests.servers import S3Server, ministack


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


def copied(store: Store, version: DatasetVersion, folder: Path) -> pd.DataFrame:
    """The rows of a copy, read with nothing else at hand."""
    copy_version(store, version, folder)
    there = open_store(str(folder))
    return read_frame(there, load_version(there, version.name, version.id))


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return (
        one.sort_values([*one.columns])
        .reset_index(drop=True)
        .equals(other.sort_values([*other.columns]).reset_index(drop=True))
    )


def test_files_in_the_store(store: Store, data: Path, tmp_path: Path) -> None:
    write_months(data, range(1, 3))
    version = snapshot(store, FolderRoot(data), spec())
    expected = read_frame(store, version)
    shutil.rmtree(data)
    assert same(copied(store, version, tmp_path / "bench" / "store"), expected)
    assert read_frame(store, version).equals(expected)
    (tmp_path / "store" / blob_key(version.files[1].sha256)).write_bytes(b"other")
    with pytest.raises(
        IntegrityError, match=r"flights/2013-02\.parquet of dataset version flight_delay@\w+ was changed"
    ):
        copied(store, version, tmp_path / "again" / "store")


def test_a_table_that_is_read_in_place(store: Store, data: Path, tmp_path: Path) -> None:
    """With a column that stands in the paths of its files, and files of the same name."""
    flights = sample(20).query("month < 3")
    table = data / "tables" / "flights"
    table.parent.mkdir()
    write_deltalake(table, pa.Table.from_pandas(flights, preserve_index=False), partition_by=["origin"])
    fields = {"delta": "tables/flights", "event_time": "time_hour", "label": "late"}
    version = snapshot(
        store, FolderRoot(data), spec(data=fields, features={"columns": ["distance", "origin"]})
    )
    expected = read_frame(store, version)
    copy_version(store, version, tmp_path / "bench" / "store")
    table.rename(data / "moved")
    there = open_store(str(tmp_path / "bench" / "store"))
    assert same(read_frame(there, load_version(there, version.name, version.id)), expected)
    with pytest.raises(
        KeyMissing, match=r"origin=\w+/.*parquet of dataset version flight_delay@\w+ is gone from file://"
    ):
        copied(store, version, tmp_path / "again" / "store")


def test_object_versions_in_a_bucket(server: S3Server, store: Store, data: Path, tmp_path: Path) -> None:
    client = server.client()
    bucket = server.make_bucket(client, versioned=True)
    write_months(data, range(1, 3))
    for path in sorted((data / "flights").iterdir()):
        client.upload_file(str(path), bucket, f"raw/flights/{path.name}")
    root = open_data_root(f"s3://{bucket}/raw", client)
    version = snapshot(store, root, spec())
    assert all(file.version_id for file in version.files)
    expected = read_frame(store, version)
    client.upload_file(str(data / "flights" / "2013-02.parquet"), bucket, "raw/flights/2013-01.parquet")
    assert same(copied(store, version, tmp_path / "bench" / "store"), expected)
    with pytest.raises(DataError, match="there is no client to read it with"):
        copied(store, version.bound(None), tmp_path / "none" / "store")
    first = version.files[0]
    key = f"raw/{first.source}"
    client.delete_object(Bucket=bucket, Key=key, VersionId=first.version_id)
    with pytest.raises(KeyMissing, match=r"2013-01\.parquet of dataset version .* is gone from s3://"):
        copied(store, version, tmp_path / "again" / "store")


def test_a_blob_is_named_by_whoever_asks_for_it(store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        KeyMissing, match=r"the model file of m:1 is gone from file://.*; given no blob 000000000000"
    ):
        copy_blob(store, "0" * 64, tmp_path / "bench", "the model file of m:1")
