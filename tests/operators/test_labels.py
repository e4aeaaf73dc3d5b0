"""Audit and review as tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.operators.labels import ApplyReviewOperator, AuditLabelsOperator
from tests.core.labels.world import flipped, hand_in, labels_spec, listed, orders, review
from tests.operators.world import Run


@pytest.fixture(autouse=True)
def _one_family(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_mlops.core.labels.audit.families", lambda categorical, seed: ())


@pytest.fixture
def dataset(store: Store, tmp_path: Path, run: Run) -> dict[str, Any]:
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    flipped(orders())[0].to_parquet(folder / "all.parquet", index=False)
    taken: dict[str, Any] = run.execute(SnapshotOperator(task_id="snapshot", spec=labels_spec()))
    return taken


def audited(run: Run, dataset: dict[str, Any], **labels: Any) -> dict[str, Any]:
    spec = labels_spec(**labels)
    small: dict[str, Any] = run.execute(
        AuditLabelsOperator(task_id="audit_labels", spec=spec, dataset=dataset)
    )
    return small


def test_an_audit_is_small_and_its_record_lies_in_the_store(
    store: Store, run: Run, dataset: dict[str, Any]
) -> None:
    small = audited(run, dataset)
    result = recall(store, small["ref"], LabelAudit)
    assert small == {
        "ref": small["ref"],
        "rows": result.rows,
        "suspects": result.suspects,
        "expected_precision": result.expected_precision,
        "error_rate": result.error_rate,
        "certain": True,
        "disagreeing": result.duplicates.rows,
        "review": result.csv,
    }
    assert small["suspects"] > 15
    assert audited(run, dataset) == small, "again: the same record"


def test_too_many_errors_stop_the_release_and_the_file_is_there(
    store: Store, run: Run, dataset: dict[str, Any]
) -> None:
    with pytest.raises(AirflowFailException, match=r"too many labels are estimated to be wrong; given [3-6]"):
        audited(run, dataset, max_error_rate=0.01)
    told = run.xcoms["audit_labels", "labels"]
    reason = run.refusal("audit_labels")["reason"]
    assert f"airflow-mlops labels export orders {told['ref']} --store {store.uri} --out" in reason
    assert listed(store, recall(store, told["ref"], LabelAudit))
    assert audited(run, dataset, max_error_rate=0.2)["ref"] == told["ref"]


def test_a_review_makes_a_version_and_nothing_to_apply_makes_none(
    store: Store, tmp_path: Path, run: Run, dataset: dict[str, Any]
) -> None:
    spec = labels_spec()

    def applied(**more: Any) -> Any:
        return run.execute(
            ApplyReviewOperator(task_id="apply_review", spec=spec, **{"dataset": dataset, **more})
        )

    assert applied() == dataset
    rows = listed(store, recall(store, audited(run, dataset)["ref"], LabelAudit))
    hand_in(tmp_path / "data", review(rows, [str(1 - int(rows[0]["given_label"]))]))
    made = applied()
    assert made["id"] != dataset["id"]
    assert {**made, "id": dataset["id"]} == dataset
    assert applied() == made
    assert applied(dataset=made) == made
    assert applied(paths="reviews/orders/one.csv") == made
    with pytest.raises(AirflowFailException, match=r"reviews/orders/two.csv is missing"):
        applied(paths=["reviews/orders/two.csv"])
