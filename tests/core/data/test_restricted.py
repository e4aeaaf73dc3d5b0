"""Restricted data: the mark is part of a version and of all that is made of it, and who reads rows is noted before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.diff import diff
from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.opening import OpenVersion
from airflow_mlops.core.data.reading import (
    load_version,
    local_files,
    local_parquet,
    read_batches,
    read_frame,
    read_numbered,
    read_places,
    read_rows,
)
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion, Derivation, dataset_key
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.actor import acting
from airflow_mlops.core.store.chain import ChainEntry, entry_key, head_of
from airflow_mlops.spec import ModelSpec
from tests.core.registry.world import MODEL, spec

CHAIN = f"audit/models/{MODEL}"
FIELDS = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"}


def restricted_spec(**data: Any) -> ModelSpec:
    return spec(data={**FIELDS, "restricted": True, **data})


@pytest.fixture
def root(data: Path) -> FolderRoot:
    for name in ("orders", "stores"):
        (data / name).mkdir()
    times = pd.date_range("2024-01-01", periods=4)
    orders = pd.DataFrame({"ordered": times, "amount": [1.0, 2.0, 3.0, 4.0], "late": [0, 1, 0, 1]})
    orders.to_parquet(data / "orders" / "a.parquet")
    pd.DataFrame({"at": times, "heat": [5.0] * 4}).to_parquet(data / "stores" / "a.parquet")
    return FolderRoot(data)


def readings(store: Store) -> list[ChainEntry]:
    head = head_of(store, CHAIN).number
    found = (ChainEntry.from_bytes(store.read(entry_key(CHAIN, number))) for number in range(1, head + 1))
    return [entry for entry in found if entry.event == "read"]


def test_a_restriction_makes_another_version_and_its_lack_changes_none(
    store: Store, root: FolderRoot
) -> None:
    free, held = snapshot(store, root, spec()), snapshot(store, root, restricted_spec())
    assert (free.restricted, held.restricted) == (False, True)
    assert free.files == held.files
    assert free.id != held.id
    assert load_version(store, MODEL, held.id).restricted
    assert snapshot(store, root, restricted_spec()).id == held.id
    read_frame(store, free)
    assert not readings(store)


WAYS: dict[str, Callable[[Store, DatasetVersion], object]] = {
    "frame": read_frame,
    "rows": read_rows,
    "batches": lambda store, version: next(iter(read_batches(store, version))),
    "numbered": lambda store, version: next(read_numbered(store, version, ["amount"])),
    "places": lambda store, version: next(read_places(store, version, {0: np.array([1])})),
    "files": local_files,
    "parquet": local_parquet,
    "duckdb": lambda store, version: OpenVersion(store, version).to_duckdb(),
    "polars": lambda store, version: OpenVersion(store, version).to_polars(),
    "diff": lambda store, version: diff(store, version, version, key=["ordered"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_whoever_reads_rows_is_noted_once(store: Store, root: FolderRoot, way: str) -> None:
    version = snapshot(store, root, restricted_spec())
    assert not readings(store), "naming a version reads no row"
    with acting("ann", "release/1/train"):
        for _ in range(2):
            WAYS[way](store, version)
    (entry,) = readings(store)
    assert (entry.key, entry.who, entry.run) == (dataset_key(MODEL, version.id), "ann", "release/1/train")


def test_what_cannot_be_noted_is_not_read(
    store: Store, root: FolderRoot, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = snapshot(store, root, restricted_spec())

    def refuses(key: str, data: bytes) -> None:
        raise StoreError("access is denied")

    monkeypatch.setattr(store, "create", refuses)
    for way in WAYS.values():
        with pytest.raises(StoreError, match="access is denied"):
            way(store, version)


def test_what_is_made_of_restricted_data_is_restricted(store: Store, root: FolderRoot) -> None:
    held, free = snapshot(store, root, restricted_spec()), snapshot(store, root, spec())
    for parents, restricted in (((free.ref,), False), ((free.ref, held.ref), True), ((held.ref,), True)):
        derivation = Derivation(kind="review", parents=parents, by="ann", note="a label was wrong")
        made = derive(store, free, read_batches(store, free), derivation)
        assert made.restricted == restricted
    derivation = Derivation(kind="quarantine", parents=(held.ref,), by="ann", note="a bad row")
    assert derive(store, held, read_batches(store, held), derivation).restricted


def test_a_join_of_restricted_data_is_restricted_on_both_sides(store: Store, root: FolderRoot) -> None:
    one = {"name": "heat", "source": "stores/*.parquet", "event_time": "at", "columns": ["heat"]}
    wanted = restricted_spec(joins=[one])
    version = snapshot(store, root, wanted)
    joined = join(store, root, wanted, version, by="ann")
    assert joined.restricted
    side = joined.derivation.parents[1] if joined.derivation else version.ref
    assert load_version(store, side.name, side.id).restricted
    assert {entry.key for entry in readings(store)} == {
        dataset_key(one.name, one.id) for one in (version, load_version(store, side.name, side.id))
    }
