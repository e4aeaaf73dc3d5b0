"""The data root on S3, on an emulator."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data.reading import read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot, open_data_root
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store
from tests.core.flights import spec, write_months
from tests.servers import S3Server, ministack


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


def test_a_snapshot_of_s3_equals_that_of_a_folder(
    server: S3Server, data: Path, store: Store, tmp_path: Path
) -> None:
    client, bucket = server.client(), server.make_bucket()
    write_months(data, range(1, 4))
    for file in sorted((data / "flights").iterdir()):
        client.upload_file(str(file), bucket, f"raw/flights/{file.name}")
    client.put_object(Bucket=bucket, Key="raw/flights/", Body=b"")
    client.put_object(Bucket=bucket, Key="rawer/flights/x.parquet", Body=b"not below the root")
    root = open_data_root(f"s3://{bucket}/raw", client)
    assert [one.path for one in root.list("flights/*.parquet")] == [
        f"flights/2013-0{month}.parquet" for month in (1, 2, 3)
    ]
    version = snapshot(store, root, spec())
    assert version.id == snapshot(store, FolderRoot(data), spec()).id
    client.delete_object(Bucket=bucket, Key="raw/flights/2013-02.parquet")
    expected = pd.concat(pd.read_parquet(file) for file in sorted((data / "flights").iterdir()))
    assert read_frame(store, version, ["distance"])["distance"].tolist() == expected["distance"].tolist()
    assert not list((Path(os.environ["AIRFLOW_MLOPS_CACHE"]) / "blobs" / "arriving").iterdir())


def test_a_listing_goes_on_beyond_a_thousand_keys(server: S3Server) -> None:
    client, bucket = server.client(), server.make_bucket()
    for number in range(1003):
        client.put_object(Bucket=bucket, Key=f"many/{number:04d}.csv", Body=b"x")
    found = open_data_root(f"s3://{bucket}", client).list("many/*.csv")
    assert [one.path for one in found] == [f"many/{number:04d}.csv" for number in range(1003)]
    assert found[0].size == 1


def test_errors_name_the_place_in_one_line(server: S3Server, tmp_path: Path) -> None:
    client, bucket = server.client(), server.make_bucket()
    client.put_object(Bucket=bucket, Key="raw/flights/a.csv", Body=b"x")
    root = open_data_root(f"s3://{bucket}/raw", client)
    with pytest.raises(DataError, match=rf"flights/\*\.parquet below s3://{bucket}/raw; .*flights/a\.csv"):
        root.list("flights/*.parquet")
    with pytest.raises(DataError, match=r"suite\.json is missing in s3://"):
        root.read_bytes("suite.json")
    with pytest.raises(DataError, match=r"b\.csv is missing"):
        root.fetch("b.csv", tmp_path / "b.csv")
    assert not list(tmp_path.glob("*b.csv*"))
    with pytest.raises(DataError, match="no such bucket") as caught:
        open_data_root("s3://no-such-bucket-here", client).list("*.csv")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="could leave"):
        root.read_bytes("../other/secret.json")
