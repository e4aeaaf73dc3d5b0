"""Retention: what a kept model refers to stays, whatever happens; the rest goes in two steps."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.reading import load_version, read_batches, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion, Derivation
from airflow_mlops.core.errors import DataError, PlatformError, StoreError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.retention.run import Pruning, prune
from airflow_mlops.core.store import Log, Store, open_store
from airflow_mlops.core.store.blobs import blob_key, get_bytes, put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.spec import Retention
from tests.core.registry.world import MODEL, evaluation, register, spec, trained

NOW = datetime.now(timezone.utc)
SHORT = Retention(keep="2d", grace="1d")


def later(days: float) -> datetime:
    return NOW + timedelta(days=days)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


def pinned(store: Store, tmp_path: Path, amount: float) -> DatasetVersion:
    """A dataset version whose content depends on ``amount``."""
    folder = tmp_path / f"data{amount}"
    (folder / "orders").mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(
        {"ordered": pd.date_range("2024-01-01", periods=4), "amount": amount, "late": [0, 1, 0, 1]}
    )
    frame.to_parquet(folder / "orders" / "a.parquet")
    return snapshot(store, FolderRoot(folder), spec())


def model_on(store: Store, version: DatasetVersion, run: str, **parts: object) -> int:
    """A registered model that was trained on a dataset version."""
    model = trained(store, f"model {run}", dataset=version.id)
    return register(store, run=run, trained=model, dataset=version.ref, **parts)[0]


def prune_twice(store: Store, policy: Retention = SHORT, start: float = 3) -> Pruning:
    prune(store, MODEL, policy, now=later(start))
    return prune(store, MODEL, policy, now=later(start + 1))


def test_what_no_model_refers_to_goes_and_what_one_refers_to_stays(store: Store, tmp_path: Path) -> None:
    used, unused = pinned(store, tmp_path, 1.0), pinned(store, tmp_path, 2.0)
    details = put_bytes(store, b'{"found": []}')
    result = put_bytes(store, json.dumps({"details": details}).encode())
    page = put_bytes(store, b"<html>a report</html>")
    model_on(store, used, "r1", validation=result, evaluation=evaluation().model_copy(update={"page": page}))

    first = prune(store, MODEL, SHORT, now=later(3))
    assert first.datasets == (f"{MODEL}@{unused.id}",)
    assert first.removed == 0
    assert unused.files[0].sha256 in first.condemned
    assert not {used.files[0].sha256, details, result, page} & set(first.condemned)
    assert store.exists(blob_key(unused.files[0].sha256)), "a blob goes only after its grace"
    second = prune(store, MODEL, SHORT, now=later(4))

    assert (second.removed, second.condemned) == (len(first.condemned), {})
    assert second.removed_bytes == first.condemned_bytes
    assert not store.exists(blob_key(unused.files[0].sha256))
    with pytest.raises(DataError, match="take a snapshot first"):
        load_version(store, MODEL, unused.id)
    assert len(read_frame(store, load_version(store, MODEL, used.id))) == 4
    assert get_bytes(store, details)
    assert get_bytes(store, page)
    assert prune(store, MODEL, SHORT, now=later(9)).reason.startswith(
        "0 dataset versions of orders and 0 blobs"
    )


def test_a_young_version_and_its_content_stay(store: Store, tmp_path: Path) -> None:
    version = pinned(store, tmp_path, 1.0)
    done = prune_twice(store, Retention(keep="30d", grace="1d"))
    assert (done.datasets, done.removed, done.condemned) == ((), 0, {})
    assert len(read_frame(store, version)) == 4


def test_content_that_another_version_shares_stays(store: Store, tmp_path: Path) -> None:
    whole = pinned(store, tmp_path, 1.0)
    half = snapshot(
        store, FolderRoot(tmp_path / "data1.0"), spec(), until=datetime(2024, 1, 3, tzinfo=timezone.utc)
    )
    model_on(store, half, "r1")
    prune_twice(store)
    assert not store.exists(f"datasets/{MODEL}/{whole.id}.json")
    assert len(read_frame(store, half)) == 2


def test_what_a_kept_version_was_made_of_stays_unless_it_was_made_for_privacy(
    store: Store, tmp_path: Path
) -> None:
    for kind, amount, stays in (("review", 1.0, True), ("privacy", 2.0, False)):
        parent = pinned(store, tmp_path, amount)
        made = Derivation(kind=kind, parents=(parent.ref,), by="ann", note="")
        columns = ["ordered", "amount", "late"] if stays else ["ordered", "late"]
        child = derive(store, parent, read_batches(store, parent, columns), made)
        model_on(store, child, kind)
        prune_twice(store, start=3 + 10 * amount)
        assert store.exists(f"datasets/{MODEL}/{parent.id}.json") is stays
        assert store.exists(blob_key(parent.files[0].sha256)) is stays
        assert len(read_frame(store, child)) == 4


def test_only_the_newest_models_and_those_that_served_keep_their_data(store: Store, tmp_path: Path) -> None:
    versions = [pinned(store, tmp_path, float(number)) for number in range(4)]
    numbers = [model_on(store, version, f"r{place}") for place, version in enumerate(versions)]
    DeploymentLog(store, MODEL).promote(numbers[1], who="ann", why="", run="r1")
    prune_twice(store, Retention(keep="2d", grace="1d", models=1))
    there = [store.exists(f"datasets/{MODEL}/{one.id}.json") for one in versions]
    assert there == [False, True, False, True]
    assert store.exists(blob_key(trained(store, "model r0").artifact)), "the model itself stays"


def test_what_a_run_named_during_the_grace_stays(store: Store, tmp_path: Path) -> None:
    report = b'{"a": "report that no record names yet"}'
    ref = put_bytes(store, report)
    assert ref in prune(store, MODEL, SHORT, now=later(3)).condemned
    model_on(store, pinned(store, tmp_path, 1.0), "r1", validation=ref)
    done = prune(store, MODEL, SHORT, now=later(9))
    assert done.removed == 0
    assert get_bytes(store, ref) == report


def test_what_is_named_between_the_look_and_the_removal_stays(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = pinned(store, tmp_path, 1.0)
    ref = put_bytes(store, b"named late")
    prune(store, MODEL, SHORT, now=later(1.5))
    remove = type(store).remove
    unused = pinned(store, tmp_path, 2.0)

    def registers_meanwhile(self: Store, key: str) -> None:
        if key.endswith(f"{unused.id}.json"):
            model_on(store, version, "late", validation=ref)
        remove(self, key)  # type: ignore[arg-type]

    monkeypatch.setattr(type(store), "remove", registers_meanwhile)
    prune(store, MODEL, SHORT, now=later(4))
    assert get_bytes(store, ref) == b"named late"


@pytest.mark.parametrize("dies_at", range(4))
def test_a_run_that_dies_is_taken_up_by_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int
) -> None:
    used = pinned(store, tmp_path, 1.0)
    model_on(store, used, "r1")
    unused = [pinned(store, tmp_path, float(number)) for number in (2, 3)]
    for one in unused:
        keep(store, one)
    remove, calls = type(store).remove, []

    def dying(self: Store, key: str) -> None:
        calls.append(key)
        if len(calls) == dies_at + 1:
            raise KeyboardInterrupt
        remove(self, key)  # type: ignore[arg-type]

    prune(store, MODEL, SHORT, now=later(1.5))
    monkeypatch.setattr(type(store), "remove", dying)
    with pytest.raises(KeyboardInterrupt):
        prune_twice(store)
    monkeypatch.setattr(type(store), "remove", remove)
    prune_twice(store, start=6)
    assert not [one for one in unused if store.exists(blob_key(one.files[0].sha256))]
    assert len(read_frame(store, used)) == 4


def test_a_dry_run_changes_nothing(store: Store, tmp_path: Path) -> None:
    version = pinned(store, tmp_path, 1.0)
    before = [item.key for item in store.list("")]
    done = prune(store, MODEL, SHORT, dry_run=True, now=later(3))
    assert done.datasets == (f"{MODEL}@{version.id}",)
    assert "would be removed" in done.reason
    assert [item.key for item in store.list("")] == before


def test_other_models_data_stay(store: Store, tmp_path: Path) -> None:
    mine = pinned(store, tmp_path, 1.0)
    theirs = mine.model_copy(update={"name": "returns"})
    store.create(f"datasets/returns/{theirs.id}.json", theirs.to_bytes())
    assert prune_twice(store).removed == 0
    assert len(read_frame(store, load_version(store, "returns", theirs.id))) == 4


def test_a_pin_goes_with_its_version_and_one_that_was_never_read_when_it_is_old(
    store: Store, tmp_path: Path
) -> None:
    copied = put_bytes(store, b"rows")
    used = pinned(store, tmp_path, 1.0)
    model_on(store, used, "r1")
    for name in (used.id, "unread", "read"):
        fields = {"name": MODEL, "id": name, "format": "parquet", "root": "s3://b", "event_time": "ordered"}
        lists = {
            "sources": ["a"],
            "sizes": [4],
            "version_ids": [None],
            "etags": ["e"],
            "hashes": {"a": copied},
        }
        pin = Pin(**fields, **lists, created_at=NOW)
        store.create(pin_key(MODEL, name), pin.to_bytes())
    read = used.model_copy(update={"id": "read"})
    store.create(f"datasets/{MODEL}/read.json", read.to_bytes())
    assert prune(store, MODEL, SHORT, now=later(1)).datasets == ()
    assert set(prune(store, MODEL, SHORT, now=later(3)).datasets) == {f"{MODEL}@read", f"{MODEL}@unread"}
    assert [item.key for item in store.list("pins/")] == [pin_key(MODEL, used.id)]
    prune(store, MODEL, SHORT, now=later(5))
    assert store.exists(blob_key(copied)), "the kept pin names it"


def test_a_manifest_that_cannot_be_read_stops_everything(store: Store, tmp_path: Path) -> None:
    version = pinned(store, tmp_path, 1.0)
    store.create(f"datasets/{MODEL}/broken.json", b"{}")
    with pytest.raises(StoreError, match=r"broken\.json is not a DatasetVersion"):
        prune_twice(store)
    assert len(read_frame(store, version)) == 4


def test_a_policy_below_the_grace_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="less time than a run may take"):
        prune(store, MODEL, Retention(keep="1d", grace="2d"))


def test_a_store_that_cannot_remove_is_told(tmp_path: Path) -> None:
    from tests.core.registry.world import MemoryStore

    with pytest.raises(PlatformError, match="can't remove"):
        prune(MemoryStore(), MODEL, SHORT)


def test_only_blobs_and_manifests_can_be_removed(store: Store) -> None:
    store.create("models/orders/versions/0000000001.json", b"{}")
    with pytest.raises(StoreError, match="only blobs, manifests and traffic"):
        store.remove("models/orders/versions/0000000001.json")  # type: ignore[attr-defined]


def test_every_run_is_in_the_log(store: Store, tmp_path: Path) -> None:
    pinned(store, tmp_path, 1.0)
    prune_twice(store)
    log: Log[Pruning] = Log(store, "retention", Pruning)
    assert [entry.removed for _, entry in log.entries()] == [0, 1]
