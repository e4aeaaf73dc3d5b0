"""Two versions side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.overview.comparison import compare
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import put_bytes
from tests.core.lineage.graph.world import day, file, put_dataset, put_version
from tests.core.lineage.records import model_version

MODEL = "orders"
LOCK = "# python 3.11.7 linux x86_64\nnumpy==2.0.0\npandas==2.2.0\n"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path))


def evaluation(auc: float, **fields: Any) -> Evaluation:
    return Evaluation(
        rows=100, metrics={"auc": auc, "brier": 0.2}, intervals={"auc": (auc - 0.1, auc + 0.1)}, **fields
    )


def register(store: Store, *files: str, lock: str = LOCK, dataset: str = "", **fields: Any) -> int:
    name = dataset or "".join(files)[:2] + "11"
    ref = put_dataset(store, MODEL, name, *files)
    trained = model_version().trained.model_copy(
        update={"environment": put_bytes(store, lock.encode()), "dataset": ref.id, "train_rows": 70}
    )
    return put_version(store, MODEL, ref, day(1), trained=trained, **fields)


def two(store: Store) -> Any:
    return compare(store, (MODEL, 1), (MODEL, 2))


def test_metrics_on_their_own_rows_and_on_the_same(store: Store) -> None:
    register(store, "a", evaluation=evaluation(0.7))
    slices = (SliceMetrics(slice="shop=A", rows=9, metrics={"auc": 0.6}, champion={"auc": 0.5}),)
    register(
        store,
        "b",
        evaluation=evaluation(0.8, champion_version=1, champion={"auc": 0.75}, slices=slices),
    )
    found = two(store)
    auc, brier = found.metrics
    assert (auc.metric, auc.a, auc.b, auc.a_on_rows_of_b) == ("auc", 0.7, 0.8, 0.75)
    assert (auc.higher_is_better, brier.higher_is_better) == (True, False)
    assert auc.b_interval == pytest.approx((0.7, 0.9))
    (slice_,) = found.slices
    assert (slice_.slice, slice_.a, slice_.b, slice_.a_on_rows_of_b) == ("shop=A", None, 0.6, 0.5)
    backwards = compare(store, (MODEL, 2), (MODEL, 1))
    assert [one.a_on_rows_of_b for one in backwards.metrics] == [None, None]


def test_what_changed_in_the_data(store: Store) -> None:
    register(store, "a.parquet", "b.parquet")
    register(store, "b.parquet", "c.parquet", "d.parquet")
    change = two(store).data
    assert change is not None
    assert (change.rows, change.files_new, change.files_gone, change.files_kept) == (10, 2, 1, 1)
    assert (change.columns_added, change.columns_removed, change.columns_retyped) == ((), (), ())


def test_the_same_data_did_not_change(store: Store) -> None:
    ref = put_dataset(store, MODEL, "aa", file("a"))
    for number in (1, 2):
        put_version(store, MODEL, ref, day(number))
    found = compare(store, (MODEL, 1), (MODEL, 1))
    assert (found.data, found.spec, found.same_artifact) == (None, (), True)
    assert not two(store).same_artifact


def test_what_changed_in_the_spec(store: Store) -> None:
    register(store, "a", spec={"owner": "ann", "training": {"seed": 1, "rounds": 9}, "old": [1]})
    register(store, "b", spec={"owner": "bob", "training": {"seed": 1, "rounds": 10}, "new": {"x": 1}})
    found = {one.place: (one.a, one.b) for one in two(store).spec}
    assert found == {
        "owner": ("ann", "bob"),
        "training.rounds": (9, 10),
        "old": ([1], None),
        "new": (None, {"x": 1}),
    }


def test_what_changed_in_the_environment(store: Store) -> None:
    register(store, "a")
    register(store, "b", lock="# python 3.12.1 linux x86_64\nnumpy==2.1.0\nduckdb==1.5.0\n")
    found = {one.name: (one.recorded, one.found) for one in two(store).environment}
    assert found == {
        "python": ("3.11.7", "3.12.1"),
        "numpy": ("2.0.0", "2.1.0"),
        "pandas": ("2.2.0", None),
        "duckdb": (None, "1.5.0"),
    }


def test_what_is_gone_is_named(store: Store) -> None:
    for name in "ab":
        register(store, name)
    root = Path(store.uri.removeprefix("file://"))
    for path in (root / "datasets").rglob("*.json"):
        path.unlink()
    found = two(store)
    assert found.data is None
    assert (found.a.rows, found.a.train_rows) == (None, 70)
    assert found.broken == (
        "orders@a11 is not in the store any more",
        "orders@b11 is not in the store any more",
    )


def test_no_such_version(store: Store) -> None:
    with pytest.raises(RegistryError, match="has no version 1"):
        two(store)
