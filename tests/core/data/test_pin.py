"""Pins: on a versioned bucket a snapshot lists, and whoever reads first looks into the objects."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from botocore.exceptions import ResponseStreamingError

from airflow_mlops.core.data import profile as profiling
from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.reading import load_version, local_parquet, read_batches, read_frame
from airflow_mlops.core.data.snapshot import pin, snapshot
from airflow_mlops.core.data.source import FolderRoot, open_data_root
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError, DataMissing, IntegrityError, KeyMissing
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec
from tests.core.flights import spec, write_months
from tests.servers import S3Server, ministack, radosgw

FLIGHTS = "raw/flights"


@pytest.fixture(scope="module", params=[ministack, radosgw])
def server(request: pytest.FixtureRequest) -> Iterator[S3Server]:
    with request.param() as running:
        yield running


@pytest.fixture
def lake(server: S3Server, data: Path) -> Lake:
    return Lake(server, data)


class Lake:
    """A versioned bucket with flights by month, and the same months in a folder."""

    def __init__(self, server: S3Server, folder: Path) -> None:
        self.client = server.client()
        self.bucket = server.make_bucket(self.client, versioned=True)
        self.folder = folder

    @property
    def root(self) -> S3Root:
        root = open_data_root(f"s3://{self.bucket}/raw", self.client)
        assert isinstance(root, S3Root)
        return root

    def months(self, *months: int, change: Callable[[pd.DataFrame], pd.DataFrame] | None = None) -> None:
        write_months(self.folder, months, **({"change": change} if change else {}))
        for month in months:
            file = self.folder / "flights" / f"2013-{month:02d}.parquet"
            self.client.upload_file(str(file), self.bucket, f"{FLIGHTS}/{file.name}")

    def key(self, month: int) -> str:
        return f"{FLIGHTS}/2013-{month:02d}.parquet"

    def version_of(self, month: int) -> str:
        return str(self.client.head_object(Bucket=self.bucket, Key=self.key(month))["VersionId"])

    def delete(self, month: int, **version: str) -> None:
        self.client.delete_object(Bucket=self.bucket, Key=self.key(month), **version)

    def keep_versions(self, status: str) -> None:
        self.client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})


def pinned(store: Store, lake: Lake, **window: Any) -> Pin:
    taken = pin(store, lake.root, spec(), **window)
    assert isinstance(taken, Pin)
    return taken


def load(store: Store, lake: Lake, taken: Pin) -> DatasetVersion:
    return load_version(store, taken.name, taken.id, root=lake.root)


def keys(store: Store) -> set[str]:
    """All keys but those of the audit log."""
    return {item.key for item in store.list("") if not item.key.startswith("audit/")}


def forget(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Go on on a machine that has nothing in its cache."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path_factory.mktemp("elsewhere")))


def test_a_pin_reads_nothing_and_stores_nothing_but_itself(lake: Lake, store: Store) -> None:
    lake.months(1, 2, 3)
    taken = pinned(store, lake)
    assert keys(store) == {pin_key(taken.name, taken.id)}
    assert taken.sources == tuple(f"flights/2013-0{month}.parquet" for month in (1, 2, 3))
    assert taken.version_ids == tuple(lake.version_of(month) for month in (1, 2, 3))
    assert sum(taken.sizes) == sum(file.stat().st_size for file in (lake.folder / "flights").iterdir())
    assert taken.hashes == {}


def test_the_version_of_a_pin_equals_that_of_the_same_files_in_a_folder(lake: Lake, store: Store) -> None:
    lake.months(1, 2, 3)
    taken = pinned(store, lake)
    version = load(store, lake, taken)
    local = snapshot(store, FolderRoot(lake.folder), spec())
    assert version.id == taken.id
    assert (version.rows, version.columns) == (local.rows, local.columns)
    assert (version.first_event, version.last_event) == (local.first_event, local.last_event)
    told = [(file.source, file.sha256, file.size, file.rows) for file in version.files]
    assert told == [(file.source, file.sha256, file.size, file.rows) for file in local.files]
    pd.testing.assert_frame_equal(read_frame(store, version), read_frame(store, local))
    assert sum(len(batch) for batch in read_batches(store, version, ["late"])) == version.rows
    assert local_parquet(store, version) == local_parquet(store, local)
    assert load(store, lake, taken) == version == snapshot(store, lake.root, spec())


def test_a_pin_outlives_overwriting_and_deleting(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake.months(1, 2, 3)
    expected = read_frame(store, snapshot(store, FolderRoot(lake.folder), spec()))
    forget(monkeypatch, tmp_path_factory)
    taken = pinned(store, lake)
    lake.months(2, change=lambda month: month.assign(distance=0.0))
    lake.delete(1)
    version = load(store, lake, taken)
    pd.testing.assert_frame_equal(read_frame(store, version), expected)
    forget(monkeypatch, tmp_path_factory)
    pd.testing.assert_frame_equal(read_frame(store, version), expected)
    later = pinned(store, lake)
    assert later.id != taken.id
    assert later.sources == ("flights/2013-02.parquet", "flights/2013-03.parquet")


def test_an_id_says_what_is_pinned(lake: Lake, store: Store) -> None:
    lake.months(1, 2)
    until = datetime(2013, 2, 1, tzinfo=timezone.utc)
    taken = pinned(store, lake, until=until)
    assert pinned(store, lake, until=until) == taken, "the first pin stays"
    others = {pinned(store, lake).id, pin(store, lake.root, spec(features={"columns": ["distance"]})).id}
    assert len(others) == 1, "columns are no part of what is pinned"
    assert taken.id not in others
    lake.months(2)
    assert pinned(store, lake, until=until).id != taken.id, "an object has a new version"


def test_objects_without_a_row_in_the_window_stay_pinned_and_contribute_nothing(
    lake: Lake, store: Store
) -> None:
    lake.months(1, 2, 3)
    until = datetime(2013, 2, 1, tzinfo=timezone.utc)
    taken = pinned(store, lake, until=until)
    version = load(store, lake, taken)
    assert len(taken.sources) == 3
    assert [file.source for file in version.files] == ["flights/2013-01.parquet"]
    assert version.rows == len(read_frame(store, version)) == 100
    nothing = pinned(store, lake, since=datetime(2030, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(DataError, match=r"no row of 3 objects .* window"):
        load(store, lake, nothing)


def test_a_later_batch_gives_another_pin_of_the_same_rows(lake: Lake, store: Store) -> None:
    lake.months(1, 2)
    until = datetime(2013, 2, 1, tzinfo=timezone.utc)
    first = load(store, lake, pinned(store, lake, until=until))
    lake.months(3)
    later = load(store, lake, pinned(store, lake, until=until))
    assert first.id != later.id, "nobody has looked what is in the new object"
    assert (first.files, first.columns) == (later.files, later.columns)


def test_a_download_that_breaks_off_is_begun_again(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.months(1)
    taken, calls = pinned(store, lake), list[str]()
    real = S3Root._body

    def broken(root: S3Root, path: str, version_id: str | None = None) -> Any:
        calls.append(path)
        return real(root, path, version_id) if len(calls) > 2 else Broken()

    monkeypatch.setattr(S3Root, "_body", broken)
    assert load(store, lake, taken).rows == 100
    assert len(calls) == 3


class Broken:
    """The body of an answer whose connection is lost."""

    def iter_chunks(self, _: int) -> Iterator[bytes]:
        yield b"PAR1"
        raise ResponseStreamingError(error="reset by peer")


def test_objects_from_before_versioning_are_pinned_by_their_content(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake.months(2, 3)
    lake.keep_versions("Suspended")
    lake.months(1)
    taken = pinned(store, lake)
    assert [one.version_id is None for one in taken.objects()] == [True, False, False]
    assert sum(key.startswith("blobs/") for key in keys(store)) == 1, (
        "only what could be overwritten is copied"
    )
    expected = read_frame(store, snapshot(store, FolderRoot(lake.folder), spec()))
    lake.months(1, change=lambda month: month.assign(distance=0.0))
    forget(monkeypatch, tmp_path_factory)
    version = load(store, lake, taken)
    pd.testing.assert_frame_equal(read_frame(store, version), expected)
    lake.keep_versions("Enabled")
    assert pinned(store, lake).id != taken.id


def test_a_bucket_that_keeps_no_versions_is_pinned_by_content(
    server: S3Server, data: Path, store: Store
) -> None:
    client, bucket = server.client(), server.make_bucket()
    write_months(data, (1, 2))
    for file in (data / "flights").iterdir():
        client.upload_file(str(file), bucket, f"{FLIGHTS}/{file.name}")
    root, lines = open_data_root(f"s3://{bucket}/raw", client), list[str]()
    plain = pin(store, root, spec(), progress=lines.append)
    assert isinstance(plain, DatasetVersion)
    assert plain.id == snapshot(store, FolderRoot(data), spec()).id
    assert any("content is copied to the store: the bucket is not versioned" in line for line in lines)
    before = keys(store)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert pin(store, root, spec()) == plain, "versioned now, but no object was written since"
    assert keys(store) == before


@pytest.mark.parametrize(
    "operation, told",
    [
        ("GetBucketVersioning", "does not say whether it is versioned (AccessDenied)"),
        ("ListObjectVersions", "does not list versions for us (AccessDenied)"),
        ("HeadObject", "does not hand out versions to us (AccessDenied)"),
    ],
)
def test_without_the_permissions_content_is_copied(
    lake: Lake, store: Store, operation: str, told: str
) -> None:
    lake.months(1)

    def deny(model: Any, **_: Any) -> Any:
        if model.name == operation:
            answer = type("Answer", (), {"status_code": 403})()
            return answer, {
                "Error": {"Code": "AccessDenied", "Message": "denied"},
                "ResponseMetadata": {"HTTPStatusCode": 403},
            }
        return None

    lake.client.meta.events.register("before-call.s3", deny)
    lines: list[str] = []
    taken = pin(store, lake.root, spec(), progress=lines.append)
    assert isinstance(taken, DatasetVersion)
    assert f"content is copied to the store: the bucket {told}" in lines


def test_a_deleted_version_is_named_when_it_is_profiled(lake: Lake, store: Store) -> None:
    lake.months(1, 2)
    taken = pinned(store, lake)
    version_id = lake.version_of(2)
    lake.delete(2, VersionId=version_id)
    with pytest.raises(
        DataMissing, match=rf"2013-02\.parquet of dataset version .* is gone .*{version_id}"
    ) as caught:
        load(store, lake, taken)
    assert "\n" not in str(caught.value)
    assert dataset_key(taken.name, taken.id) not in keys(store)


def test_a_deleted_or_changed_version_is_named_when_it_is_read(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake.months(1, 2)
    version = load(store, lake, pinned(store, lake))
    forget(monkeypatch, tmp_path_factory)
    first, second = version.files
    swapped = version.model_copy(
        update={
            "files": (
                first,
                second.model_copy(update={"version_id": second.version_id, "source": first.source}),
            )
        }
    )
    lake.delete(2, VersionId=str(second.version_id))
    with pytest.raises(KeyMissing, match=r"2013-02\.parquet of dataset version .* is gone from s3://"):
        read_frame(store, version.bound(lake.root))
    with pytest.raises(KeyMissing, match=r"2013-01\.parquet of dataset version .* is gone"):
        read_frame(store, swapped.bound(lake.root))
    wrong = first.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(IntegrityError, match=r"2013-01\.parquet of dataset version .* was changed in s3://"):
        read_frame(store, version.model_copy(update={"files": (wrong,)}).bound(lake.root))


def test_without_a_client_the_remedy_is_told(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lake.months(1)
    taken = pinned(store, lake)
    with pytest.raises(DataError, match=r"no client to read it with; given no data root; .*field data"):
        load_version(store, taken.name, taken.id)
    version = load(store, lake, taken)
    assert load_version(store, taken.name, taken.id) == version, (
        "a complete version needs no client to be known"
    )
    forget(monkeypatch, tmp_path_factory)
    with pytest.raises(DataError, match=r"2013-01\.parquet of .* given the data root file://"):
        read_frame(store, version.bound(FolderRoot(lake.folder)))


def test_a_version_is_read_where_it_was_pinned_though_the_root_moved(
    lake: Lake, server: S3Server, store: Store
) -> None:
    lake.months(1)
    taken = pinned(store, lake)
    elsewhere = open_data_root(f"s3://{server.make_bucket()}/other", lake.client)
    version = load_version(store, taken.name, taken.id, root=elsewhere)
    assert version.root == taken.root == lake.root.uri
    assert len(read_frame(store, version)) == 100


def test_what_the_spec_names_is_checked_when_a_pin_is_read(lake: Lake, store: Store) -> None:
    lake.months(1, change=lambda month: month.assign(late=None))
    with pytest.raises(DataError, match="label late has no value"):
        snapshot(store, lake.root, spec())
    with pytest.raises(DataError, match=r"lacks nothing_like_it \(data\.label\)"):
        snapshot(
            store, lake.root, ModelSpec(**{**spec().to_dict(), "data": {**DATA, "label": "nothing_like_it"}})
        )


DATA = {"source": "flights/*.parquet", "event_time": "time_hour"}


@pytest.mark.parametrize("step", ["scan_all", "count", "describe", "keep_first"])
def test_a_profile_that_died_is_made_again(
    lake: Lake, store: Store, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.months(1, 2)
    taken = pinned(store, lake)
    with monkeypatch.context() as dying:
        dying.setattr(profiling, step, _die)
        with pytest.raises(Died):
            load(store, lake, taken)
    assert keys(store) == {pin_key(taken.name, taken.id)}
    assert load(store, lake, taken).rows == 200


def test_a_retry_does_not_fetch_again(lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.months(1, 2)
    taken = pinned(store, lake)
    with monkeypatch.context() as dying:
        dying.setattr(profiling, "count", _die)
        with pytest.raises(Died):
            load(store, lake, taken)
    lake.months(3)
    more, fetched = pinned(store, lake), list[str]()
    real = S3Root.fetch
    monkeypatch.setattr(
        S3Root, "fetch", lambda self, path, *rest: fetched.append(path) or real(self, path, *rest)
    )
    assert load(store, lake, taken).rows == 200
    assert fetched == []
    assert load(store, lake, more).rows == 300
    assert fetched == ["flights/2013-03.parquet"], "the others were read for the version before"


def test_two_workers_that_profile_at_once_agree(
    lake: Lake, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.months(1, 2)
    taken, found = pinned(store, lake), list[DatasetVersion]()
    both = threading.Barrier(2)
    real = profiling.count

    def together(*given: Any) -> Any:
        both.wait(60)
        return real(*given)

    monkeypatch.setattr(profiling, "count", together)
    workers = [threading.Thread(target=lambda: found.append(load(store, lake, taken))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 2
    assert found[0] == found[1] == load(store, lake, taken)


class Died(Exception):
    """What a killed process leaves undone."""


def _die(*_: Any, **__: Any) -> Any:
    raise Died


@pytest.mark.parametrize("versioned", [True, False])
def test_of_an_object_outside_of_the_window_only_its_end_is_read(
    server: S3Server, lake: Lake, store: Store, versioned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.bucket = server.make_bucket(lake.client, versioned=versioned)
    lake.months(*range(1, 7))
    since, until = (datetime(2013, month, 1, 12, tzinfo=timezone.utc) for month in (3, 4))
    fetched: list[str] = []
    fetch = S3Root.fetch

    def counting(root: S3Root, path: str, to: Path, version_id: str | None = None) -> None:
        fetched.append(path)
        fetch(root, path, to, version_id)

    monkeypatch.setattr(S3Root, "fetch", counting)
    version = snapshot(store, lake.root, spec(), since=since, until=until)
    whole = snapshot(store, FolderRoot(lake.folder), spec(), since=since, until=until)
    assert sorted(fetched) == ["flights/2013-03.parquet", "flights/2013-04.parquet"]
    assert [one.sha256 for one in version.files] == [one.sha256 for one in whole.files]
    assert version.rows == whole.rows
