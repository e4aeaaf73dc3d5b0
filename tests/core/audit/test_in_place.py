"""Data that are pinned where they lie: a version that is gone or changed is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from airflow_mlops.core.audit import verify
from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.store import Store, open_store
from tests.core.audit.world import AT
from tests.core.registry.world import MODEL, spec
from tests.servers import S3Server, ministack

FRAME = pd.DataFrame(
    {"ordered": pd.date_range("2024-01-01", periods=4, tz="UTC"), "amount": 1.0, "late": [0, 1, 0, 1]}
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


def test_a_file_of_a_table_that_changed_or_is_gone_is_named(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_deltalake(root / "orders", pa.Table.from_pandas(FRAME, preserve_index=False))
    fields = {"delta": "orders", "event_time": "ordered", "label": "late"}
    version = snapshot(store, FolderRoot(root), spec(data=fields))
    report = verify(store, MODEL)
    assert (report.whole, report.in_place, report.blobs) == (True, 1, 0)
    path = root / version.files[0].source
    path.write_bytes(path.read_bytes() + b" ")
    (found,) = verify(store, MODEL).findings
    assert (found.kind, found.place) == ("changed data", f"{version.root}/{version.files[0].source}")
    path.unlink()
    (found,) = verify(store, MODEL).findings
    assert found.kind == "missing data"
    assert found.said.startswith(f"{version.files[0].source} of {MODEL}@{version.id} is gone from file:")
    stone = Tombstone(dataset=version.ref, rows=1, outside=(found.place,))
    erasure = Erasure(subject="b" * 64, state="done", tombstones=(stone,), who="ann", why="asked", at=AT)
    erasure_log(store, MODEL).append(erasure, after=0)
    assert verify(store, MODEL).whole, "its owner was told to remove it"


@pytest.mark.s3
def test_a_version_of_an_object_that_is_gone_is_named(store: Store, tmp_path: Path, server: S3Server) -> None:
    client = server.client()
    bucket = server.make_bucket(client, versioned=True)
    FRAME.to_parquet(tmp_path / "a.parquet")
    client.upload_file(str(tmp_path / "a.parquet"), bucket, "lake/orders/a.parquet")
    root = S3Root(bucket, "lake", client)
    version = snapshot(store, root, spec())
    pinned = version.files[0].version_id
    client.put_object(Bucket=bucket, Key="lake/orders/a.parquet", Body=b"a later version")
    report = verify(store, MODEL, root=root)
    assert (report.whole, report.in_place, report.notes) == (True, 1, ())
    assert verify(store, MODEL).notes == (
        f"data in a bucket were not looked up without the data root: {MODEL}@{version.id}",
    )
    client.delete_object(Bucket=bucket, Key="lake/orders/a.parquet", VersionId=pinned)
    (found,) = verify(store, MODEL, root=root).findings
    assert (found.kind, found.place) == ("missing data", f"s3://{bucket}/lake/orders/a.parquet")
