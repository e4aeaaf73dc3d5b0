"""Delta Lake tables on S3, in buckets with and without versions: read with the credentials of the boto3 client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.data.delta_log import read_log, storage_options
from airflow_mlops.core.data.opening import open_version
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import DataRoot, open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, KeyMissing
from airflow_mlops.core.store import Store
from tests.core.flights import sample, spec
from tests.servers import S3Server, ministack, radosgw


@pytest.fixture(scope="module", params=[ministack, radosgw])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    with request.param() as running:
        yield running


class Lake:
    """A table in a folder that is copied to a bucket whenever it was written."""

    def __init__(self, server: S3Server, folder: Path, versioned: bool) -> None:
        self.client = server.client()
        self.bucket = server.make_bucket(self.client, versioned=versioned)
        self.folder = folder / "lake"

    @property
    def root(self) -> DataRoot:
        return open_data_root(f"s3://{self.bucket}/lake", self.client)

    def write(self, month: int, **options: Any) -> None:
        flights = sample(20)
        rows = flights[flights["month"] == month].drop(columns="month")
        table = self.folder / "tables" / "flights"
        table.mkdir(parents=True, exist_ok=True)
        write_deltalake(
            table, pa.Table.from_pandas(rows, preserve_index=False), **{"mode": "append", **options}
        )
        self.copy()

    def copy(self) -> None:
        names = {
            f"lake/{path.relative_to(self.folder).as_posix()}"
            for path in self.folder.rglob("*")
            if path.is_file()
        }
        for item in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", ()):
            if item["Key"] not in names:
                self.client.delete_object(Bucket=self.bucket, Key=item["Key"])
        for name in sorted(names):
            self.client.upload_file(str(self.folder / name.removeprefix("lake/")), self.bucket, name)

    def take(self, store: Store) -> DatasetVersion:
        data = {"delta": "tables/flights", "event_time": "time_hour", "label": "late"}
        return snapshot(store, self.root, spec(data=data, features={"columns": ["distance"]}))


@pytest.fixture(params=[True, False], ids=["versioned", "plain"])
def lake(request: pytest.FixtureRequest, server: S3Server, data: Path) -> Lake:
    return Lake(server, data, request.param)


def test_a_table_on_s3(lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake.write(1)
    first = lake.take(store)
    lake.write(2)
    second = lake.take(store)
    assert (first.rows, second.rows, first.table.version, second.table.version) == (20, 40, 0, 1)
    assert [item.key for item in store.list("blobs/")] == [], "nothing is copied to the store"
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "fresh"))
    opened = open_version(store, "flight_delay", second.id, root=lake.root)
    expected = sample(20).query("month <= 2").drop(columns="month")
    assert sorted(opened.to_pandas()["distance"]) == sorted(expected["distance"])
    assert opened.to_duckdb().execute("SELECT count(*) FROM data").fetchall() == [(40,)]
    unbound = load_version(store, "flight_delay", second.id)
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "fresher"))
    with pytest.raises(DataError, match="there is no client to read it with"):
        read_frame(store, unbound)


def test_vacuumed_files(lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake.write(1)
    first = lake.take(store)
    lake.write(2, mode="overwrite")
    table = DeltaTable(lake.folder / "tables" / "flights")
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    lake.copy()
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "fresh"))
    again = load_version(store, "flight_delay", first.id, root=lake.root)
    if first.files[0].version_id:
        frame = read_frame(store, again)
        pd.testing.assert_series_equal(
            frame["distance"], sample(20).query("month == 1")["distance"], check_index=False
        )
    else:
        with pytest.raises(KeyMissing, match=r"tables/flights/part-.* is gone from s3://.*VACUUM"):
            read_frame(store, again)


def test_a_table_that_is_not_there(lake: Lake, store: Store) -> None:
    with pytest.raises(DataError, match=r"there is no Delta table tables/flights below s3://") as caught:
        lake.take(store)
    assert "\n" not in str(caught.value)


def test_no_secret_is_an_option_without_credentials(server: S3Server) -> None:
    options = storage_options(server.client())
    assert options["AWS_ENDPOINT_URL"].startswith("http://")
    assert options["AWS_ALLOW_HTTP"] == "true"
    assert options["AWS_ACCESS_KEY_ID"]


def test_who_pays_is_told_and_whose_the_bucket_is_is_asked(lake: Lake) -> None:
    lake.write(1)
    asked: list[str] = []
    lake.client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2",
        lambda params, **_: asked.append(params.get("ExpectedBucketOwner")),
    )
    options = S3Options(requester_pays=True, bucket_owner="123456789012")
    root = open_data_root(f"s3://{lake.bucket}/lake", lake.client, options)
    assert storage_options(lake.client, options.of(lake.bucket))["AWS_REQUEST_PAYER"] == "true"
    assert read_log(root, "tables/flights", "time_hour").files
    assert asked == ["123456789012"]
