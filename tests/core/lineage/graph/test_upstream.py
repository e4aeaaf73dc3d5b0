"""The path of a version from source bytes to its endpoint."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import QueryRef, TableRef
from airflow_mlops.core.errors import RegistryError, StoreError
from airflow_mlops.core.labels.record import Duplicates, LabelAudit
from airflow_mlops.core.lineage.graph import Graph, Node, upstream
from airflow_mlops.core.lineage.graph.text import graph_lines
from airflow_mlops.core.registry.standing import note_refusal
from airflow_mlops.core.retention.run import Pruning
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.results import keep
from tests.core.lineage.graph.world import (
    NOW,
    approve,
    day,
    deploy,
    erase,
    file,
    look,
    orders,
    put_dataset,
    put_pin,
    put_version,
    reproduce,
    score,
    sha,
)
from tests.core.lineage.records import validation_result
from tests.core.registry.world import spec


def path(store: Store, version: int = 1, files: int = 5, model: str = "orders") -> Graph:
    return upstream(store, model, version, files=files, now=NOW)


def only(graph: Graph, kind: str) -> Node:
    (node,) = graph.of_kind(kind)
    return node


def links(graph: Graph) -> list[tuple[str, str]]:
    return [(graph.node(one.source).kind, graph.node(one.target).kind) for one in graph.edges]


def text(graph: Graph) -> str:
    return "\n".join(graph_lines(graph))


def test_from_the_bytes_of_a_real_snapshot_to_the_endpoint(store: Store, tmp_path: Path) -> None:
    (tmp_path / "data" / "orders").mkdir(parents=True)
    frame = pd.DataFrame(
        {"ordered": pd.date_range("2024-01-01", periods=4), "amount": 1.0, "late": [0, 1, 0, 1]}
    )
    frame.to_parquet(tmp_path / "data" / "orders" / "a.parquet")
    taken = snapshot(store, FolderRoot(tmp_path / "data"), spec())
    put_version(store, "orders", taken.ref, day(1))
    deploy(store, "orders", "promote", 1, day(2))
    found = path(store)
    assert links(found) == [
        ("file", "dataset"),
        ("dataset", "training"),
        ("training", "candidate"),
        ("candidate", "evaluation"),
        ("evaluation", "version"),
        ("version", "deployment"),
        ("deployment", "endpoint"),
    ]
    (source,) = taken.files
    assert only(found, "file").facts["sha256"] == source.sha256
    assert store.exists(only(found, "file").facts["stored"])
    assert found.nodes[0].kind == "file", "source bytes come first"
    assert found.nodes[-1].kind == "endpoint"
    assert found.root == only(found, "version").id == "version:orders:1"
    assert Graph.from_bytes(found.to_bytes()) == found


def test_all_that_became_of_a_version(store: Store) -> None:
    orders(store)
    approve(store, "orders", 1, "approved", day(1))
    approve(store, "orders", 2, "approved", day(11))
    look(store, "orders", 1, day(3))
    for number in range(15, 22):
        look(store, "orders", 2, day(number), outcome="drift", columns=("amount",), failed_gates=("auc",))
    reproduce(store, "orders", 2, day(30))
    found = path(store, 2)
    assert found.before("endpoint:orders") == found.of_kind("deployment")
    assert [node.label for node in found.of_kind("deployment")] == ["shadow", "canary at 20%", "champion"]
    shadow = found.of_kind("deployment")[0]
    assert shadow.facts["ended"] == "canary by ann: canary it"
    assert [one.kind for one in found.before(shadow.id)] == ["approval"], "people said yes before it served"
    assert only(found, "endpoint").said == "serves version 2 (champion)"
    assert only(found, "predictions").facts["newest"][0]["number"] == 2
    assert only(found, "monitoring").facts == {"looks": 7, "outcomes": {"drift": 7}, "with_failed_gates": 7}
    assert [node.label for node in found.of_kind("look")] == [f"look {number}" for number in range(4, 9)]
    assert only(found, "reproduction").label == "identical"
    said = text(found)
    for words in ("approve by ada", "until 2024-01-22 00:00: drift in amount, gates failed: auc", "led to"):
        assert words in said


def test_a_version_that_nothing_became_of(store: Store) -> None:
    orders(store)
    note_refusal(store, "clicks", 1, "auc is too low")
    found = path(store, model="clicks")
    assert not found.of_kind("endpoint", "deployment", "approval", "monitoring", "predictions")
    assert "refused: auc is too low" in only(found, "version").said
    assert text(found).endswith("led to\n└─ nothing yet")


def test_a_rejected_version_hangs_on_no_approval(store: Store) -> None:
    orders(store)
    approve(store, "orders", 1, "rejected", day(1))
    found = path(store)
    assert [one.kind for one in found.before(found.of_kind("deployment")[0].id)] == ["version"]
    assert only(found, "approval").said == "seen (reject by ada)"


def test_the_fallback_rule_serves(store: Store) -> None:
    orders(store)
    deploy(store, "orders", "fallback", 2, day(50))
    assert only(path(store, 2), "endpoint").said == "serves the fallback rule"


def test_derivations_are_followed_to_every_source(store: Store) -> None:
    base = put_dataset(store, "orders", "a1", "orders/1.parquet")
    query = QueryRef(connection="warehouse", sql="SELECT *\nFROM weather")
    weather = put_dataset(store, "orders__weather", "w1", "query-1.parquet", query=query)
    joined = put_dataset(store, "orders", "b2", "join-1.parquet", parents=(base, weather), kind="join")
    reviewed = put_dataset(store, "orders", "c3", "review-1.parquet", parents=(joined,))
    put_version(store, "orders", reviewed)
    found = path(store)
    assert [one.id for one in found.before("dataset:orders@b2")] == [
        "dataset:orders@a1",
        "dataset:orders__weather@w1",
    ]
    assert only(found, "query").said == "SELECT * FROM weather"
    assert [one.label for one in found.of_kind("file")] == ["orders/1.parquet"], (
        "derived files are no sources"
    )
    assert "review by ann: 3 labels corrected" in found.node("dataset:orders@c3").said


def test_objects_and_tables_have_their_versions(store: Store) -> None:
    pinned = put_dataset(store, "orders", "a1", file("o/1.parquet", version_id="v1"), root="s3://lake")
    table = TableRef(folder="tables/orders", id="t", version=11, columns="")
    delta = put_dataset(store, "orders", "b2", file("tables/orders/p.parquet"), root="s3://lake", table=table)
    put_version(store, "orders", pinned)
    put_version(store, "orders", delta)
    one = only(path(store), "object")
    assert (one.label, one.facts["s3_version"]) == ("s3://lake/o/1.parquet", "v1")
    assert "stored" not in one.facts, "the bytes lie in the bucket"
    found = path(store, 2)
    assert only(found, "table").facts == {"uri": "s3://lake/tables/orders", "table": "t", "table_version": 11}
    assert links(found)[:2] == [("table", "dataset"), ("file", "table")]


@pytest.mark.parametrize(
    "files, shown, more",
    [(5, 5, "1,195 more files"), (1200, 1200, ""), (1199, 1200, ""), (0, 0, "1,200 more files")],
)
def test_thousands_of_files_are_summed_up(store: Store, files: int, shown: int, more: str) -> None:
    ref = put_dataset(store, "orders", "a1", *(f"orders/{number:04d}.parquet" for number in range(1200)))
    put_version(store, "orders", ref)
    found = path(store, files=files)
    assert len(found.of_kind("file")) == shown
    rest = found.of_kind("more")
    assert [one.label for one in rest] == ([more] if more else [])
    if rest:
        assert rest[0].facts["rows"] == 10 * (1200 - shown)


def test_a_pin_that_nobody_has_read(store: Store) -> None:
    put_version(store, "orders", put_pin(store, "orders", "a1", *(f"o/{one}" for one in "abcdefgh")))
    found = path(store)
    assert len(found.of_kind("object")) == 5
    assert only(found, "more").label == "3 more objects"
    assert "not read yet" in only(found, "dataset").said


def test_validation_and_audit_stand_on_the_way(store: Store) -> None:
    tested = put_dataset(store, "orders", "a1", "orders/1.parquet")
    kept = put_dataset(store, "orders", "b2", "quarantine-1.parquet", parents=(tested,), kind="quarantine")
    result = validation_result().model_copy(update={"tested": tested, "dataset": kept, "dropped_rows": 3})
    audit = LabelAudit.model_construct(
        model="orders",
        dataset=kept,
        rows=20,
        suspects=2,
        error_rate=0.1,
        duplicates=Duplicates(groups=0, rows=0, largest=()),
    )
    audit = audit.model_copy(
        update={
            **dict.fromkeys(("confident_learning", "kept", "file_rows"), 0),
            **dict.fromkeys(("error_rate_low", "error_rate_high", "file_precision"), 0.0),
            **dict.fromkeys(("expected_precision", "precision_low", "precision_high")),
            **dict.fromkeys(("evidence", "shifts"), ()),
            **dict.fromkeys(("parquet", "csv"), "0" * 64),
            "certain": True,
        }
    )
    put_version(store, "orders", kept, validation=keep(store, result), audit=keep(store, audit))
    put_version(
        store, "orders", tested, validation=keep(store, result.model_copy(update={"dataset": tested}))
    )
    found = path(store)
    assert ("validation", "dataset") in links(found), "rows were left out"
    assert (
        only(found, "validation")
        .facts["failed"][0]
        .startswith("expect_column_values_to_not_be_null on distance")
    )
    assert only(found, "label audit").said == "2 suspects in 20 rows"
    assert ("validation", "training") in links(path(store, 2))


def test_what_is_gone_says_so(store: Store, tmp_path: Path) -> None:
    refs = [put_dataset(store, "orders", f"a{number}", "orders/1.parquet") for number in range(4)]
    for ref in refs:
        put_version(store, "orders", ref, validation="f" * 64, audit="e" * 64)
    for ref in refs[:3]:
        store.remove(f"datasets/orders/{ref.id}.json")
    (tmp_path / "store/datasets/orders/a3.json").write_bytes(b"{")
    pruning = Pruning(
        model="orders",
        at=day(60),
        dry_run=False,
        datasets=("orders@a0",),
        removed=0,
        removed_bytes=0,
        condemned={},
        condemned_bytes=0,
    )
    Log(store, "retention", Pruning).append(pruning, after=0)
    erase(store, "orders", refs[1], None, day(61))
    why = [only(path(store, number), "dataset").gone for number in (1, 2, 3)]
    assert why == [
        "removed by retention on 2024-03-01 00:00",
        "removed by an erasure",
        "its manifest is not in the store",
    ]
    assert "is not a DatasetVersion" in (only(path(store, 4), "dataset").gone or "")
    found = path(store)
    assert (only(found, "validation").gone or "").startswith("nothing is stored under blobs/ff/")
    assert only(found, "label audit").gone
    assert "dataset orders@a0 (gone)" in text(found)
    store.remove(blob_key(sha("orders 1")))
    assert only(path(store), "candidate").gone == "its bytes are not in the store"


def test_an_erasure_says_what_it_took(store: Store) -> None:
    before = put_dataset(store, "orders", "a1", "orders/1.parquet")
    after = put_dataset(store, "orders", "b2", "erasure-1.parquet", parents=(before,), kind="erasure")
    put_version(store, "orders", before)
    put_version(store, "orders", after)
    erase(store, "orders", before, after, day(5))
    for version in (1, 2):
        found = path(store, version)
        node = only(found, "erasure")
        assert (node.facts["rows"], node.facts["replaced_by"]) == (2, "orders@b2")
        assert node.said == "2 rows of a person taken out by dpo: request 7"
        assert "k" * 64 not in found.model_dump_json()


def test_metrics_that_are_no_numbers_are_json(store: Store) -> None:
    orders(store)
    assert '"log_loss":"nan"' in path(store).model_dump_json()


def test_damaged_logs_are_named(store: Store, tmp_path: Path) -> None:
    orders(store)
    (tmp_path / "store/models/orders/deployments/0000000003.json").write_bytes(b"no")
    found = path(store, 2)
    assert found.unread == ("models/orders/deployments/0000000003.json",)
    assert "1 record can't be read, so something may be missing here" in text(found)
    (tmp_path / "store/models/orders/versions/0000000002.json").write_bytes(b"no")
    with pytest.raises(StoreError, match="entry 2 of log models/orders/versions"):
        path(store, 2)


@pytest.mark.parametrize("model", ["nobody", "../orders", "", "a\nb", "x" * 3000])
def test_models_that_are_none(store: Store, model: str) -> None:
    orders(store)
    with pytest.raises(RegistryError, match=r"there is no model .*expected clicks, orders"):
        path(store, model=model)


def test_versions_that_are_none(store: Store) -> None:
    with pytest.raises(RegistryError, match="a store with models"):
        path(store)
    orders(store)
    for number in (0, 4, 10**9):
        with pytest.raises(RegistryError, match=f"orders has no version {number}; expected 1 to 3"):
            path(store, number)


def test_the_fallback_rules_scorings_are_nobodys(store: Store) -> None:
    orders(store)
    score(store, "orders", None, put_dataset(store, "orders", "zz", "z"), day(30))
    assert only(path(store, 1), "predictions").label == "1 scoring"


def test_an_unknown_node_is_an_error(store: Store) -> None:
    orders(store)
    with pytest.raises(KeyError):
        path(store).node("nothing")
