"""The life of two versions, written as the lifecycle writes it, without a training behind it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.card.blocks import Document
from airflow_mlops.core.card.card import card_of
from airflow_mlops.core.card.dossier import gather
from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log
from airflow_mlops.core.data.version import (
    Column,
    DataFile,
    DatasetRef,
    DatasetVersion,
    Derivation,
    dataset_key,
)
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.monitoring.alerts.alert import Alert
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, alert_log
from airflow_mlops.core.monitoring.look import Look, Reason, RetrainDecision, monitoring_log
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest, request_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.policies import note_policy
from airflow_mlops.core.registry.releases import ReleaseEvent, note_release
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.reproduction.record import Reproduction, reproduction_log
from airflow_mlops.core.rollout.stage_verdicts import keep_verdict
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.served import Served, served_log
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult
from airflow_mlops.spec import ModelSpec
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL, spec, trained

START = datetime(2024, 3, 1, 12, tzinfo=timezone.utc)
SNAPSHOT = DatasetRef(name=MODEL, id="a" * 24)
DATASET = DatasetRef(name=MODEL, id="d1")
SAID = {
    "purpose": "Says which orders will be late.",
    "users": "Dispatchers.",
    "out_of_scope": "Wages.",
    "limits": "Knows no strikes.",
    "risks": "A customer waits in vain.",
    "oversight": "Dispatchers may overrule it.",
}


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def told(**sections: Any) -> ModelSpec:
    """A spec whose card says everything."""
    base: dict[str, Any] = {
        "owner": "ann",
        "team": "logistics",
        "contact": "logistics@example.com",
        "card": SAID,
        "approval": {"when": ["first", "worse"]},
        "monitoring": {"schedule": "@daily"},
    }
    return spec(**{**base, **sections})


def append(log: Log[Any], *entries: Record) -> None:
    for entry in entries:
        log.append(entry, after=log.last_number())


def data(store: Store, name: str = "orders/1.parquet") -> None:
    """A snapshot of one file, and the version without its bad rows."""

    def version(ref: DatasetRef, rows: int, made: Derivation | None, at: datetime) -> DatasetVersion:
        return DatasetVersion(
            name=ref.name, id=ref.id, format="parquet", rows=rows, event_time="ordered", created_at=at, derivation=made,
            files=(DataFile(source=name, sha256=f"{rows:064x}", size=4000, rows=rows),),
            columns=(Column(name="amount", type="double", nulls=1, distinct=5, min=1.0, max=9.0, mean=4.5),),
            first_event=START - timedelta(days=60), last_event=START - timedelta(days=1),
        )  # fmt: skip

    made = Derivation(kind="quarantine", parents=(SNAPSHOT,), by="validate", note="3 bad rows left out")
    for one in (version(SNAPSHOT, 103, None, START), version(DATASET, 100, made, after(0.01))):
        store.create(dataset_key(one.name, one.id), one.to_bytes())


def validation() -> ValidationResult:
    held = ExpectationResult(
        type="expect_column_values_to_not_be_null", column="amount", severity="fail", success=True, reason="all held"
    )  # fmt: skip
    failed = ExpectationResult(
        type="expect_column_max_to_be_between", column="amount", severity="warn", success=False, reason="observed 9"
    )  # fmt: skip
    return ValidationResult(
        dataset=DATASET, tested=SNAPSHOT, success=True, rows=103, expectations=(held, failed), reason="1 of 2 hold",
        quarantine="c" * 64, quarantined_rows=3, dropped_rows=3, seconds=0.1,
    )  # fmt: skip


def register(
    store: Store, number: int, at: datetime, fields: dict[str, Any], found: Evaluation, **parts: Any
) -> str:
    """Version ``number`` as it is stored, and the beginning of its release; return the key of its run."""
    run = RunRef(dag_id="orders.release", run_id=f"r{number}")
    note_release(store, MODEL, ReleaseEvent(run=run.key, event="began", at=at - timedelta(minutes=10)))
    base: dict[str, Any] = {
        "model": MODEL,
        "dataset": DATASET,
        "spec": fields,
        "trained": trained(store, f"model {number}"),
        "evaluation": found,
        "validation": keep(store, validation()),
        "run": run,
        "created_at": at,
        "created_by": "ann",
    }
    log: Log[ModelVersion] = Log(store, f"models/{MODEL}/versions", ModelVersion)
    append(log, ModelVersion(**{**base, **parts}))
    return run.key


def live(store: Store) -> None:
    """Version 1 is champion, 2 is approved, canaried, promoted, found drifting, rolled back, and built again."""
    data(store)
    asked = told()
    first = register(store, 1, after(1), asked.to_dict(), whole.evaluation())
    note_policy(store, asked, run=first, who="ann", at=after(0.5))
    deployments = DeploymentLog(store, MODEL).log
    append(
        deployments,
        Deployment(action="promote", champion=1, who="ann", why="first version", run=first, at=after(2)),
    )
    note_release(store, MODEL, ReleaseEvent(run=first, event="promoted", version=1, at=after(2)))
    second = register(store, 2, after(10), asked.to_dict(), whole.evaluation())
    _approve(store, second)
    _roll_out(store, second)
    _watch(store)


def _approve(store: Store, run: str) -> None:
    evidence = put_bytes(store, b"# Release of version 2\nauc 0.71 against 0.70")
    yes = Answer(user="bob", choice="approve", at=after(10.5), comment="looks good")
    append(
        approval_log(store, MODEL),
        ApprovalRecord(
            run=run, version=2, outcome="approved", reason="bob said yes", reasons=("log_loss is worse",),
            evidence=evidence, answers=(yes,), at=after(10.5),
        ),
    )  # fmt: skip


def _roll_out(store: Store, run: str) -> None:
    log = DeploymentLog(store, MODEL).log
    place = {"champion": 1, "challenger": 2, "who": "ann", "run": run}
    append(
        log,
        Deployment(action="shadow", **place, why="v2 in shadow", lease_until=after(30), at=after(11)),
        Deployment(action="canary", **place, weight=0.2, why="v2 gets 20 %", lease_until=after(30), at=after(12)),
        Deployment(action="promote", champion=2, who="ann", why="every gate passed", run=run, at=after(13)),
    )  # fmt: skip
    gate = GateResult(
        gate=Gate(metric="error_rate", margin=0.01), outcome="pass", value=0.0, reason="no errors"
    )
    for stage, number, at in (("shadow", 2, 11.9), ("canary", 3, 12.9)):
        verdict = Verdict(
            stage=stage, decision="PROMOTE", reason=f"{stage} is good", gates=(gate,), counts={"samples": 900},
            alpha=0.05, version=2, run=run, deployment=number,
        )  # fmt: skip
        keep_verdict(store, MODEL, verdict, after(at))
    desired = {"number": 4, "mode": "champion", "champion": 2}
    append(served_log(store, MODEL), Served(desired=desired, at=after(13.01)))  # type: ignore[arg-type]
    note_release(store, MODEL, ReleaseEvent(run=run, event="promoted", version=2, at=after(13.02)))


def _watch(store: Store) -> None:
    reason = Reason(cause="drift", said="amount drifted", columns=("amount",))
    asked = RetrainDecision(retrain=True, reasons=(reason,), said="ask: amount drifted")
    append(
        monitoring_log(store, MODEL),
        Look(
            run="orders.monitor/m1", since=after(13), until=after(37), champion=2, drift="e" * 64, performance=None,
            outcome="drift", share=0.5, columns=("amount",), metrics={"log_loss": 0.6}, judged_on="measured",
            failed_gates=("log_loss",), decision=asked, at=after(37),
        ),
    )  # fmt: skip
    alert = Alert(
        model=MODEL, kind="drift", severity="warning", title="orders: amount drifted", how_bad="half of it",
        next_step="look", at=after(37.1),
    )  # fmt: skip
    append(
        alert_log(store, MODEL),
        AlertEntry(alert=alert, run="orders.monitor/m1", delivered=True, at=after(37.1)),
    )
    request = RetrainRequest(
        run="orders.monitor/m1", champion=2, reasons=(reason,), at=after(37.2), decision="f" * 64
    )
    append(request_log(store, MODEL), request)
    append(
        DeploymentLog(store, MODEL).log,
        Deployment(
            action="rollback", champion=1, who="carol", why="customers complain", run="rb", at=after(40)
        ),
    )
    append(
        reproduction_log(store, MODEL),
        Reproduction(
            run=None, version=2, outcome="identical", reason="the same bytes", artifact="1" * 64, rebuilt="1" * 64,
            tolerance=0.0, place="locked", seconds=3.0, by="dora", at=after(50),
        ),
    )  # fmt: skip
    stone = Tombstone(dataset=SNAPSHOT, rows=4, replaced_by=None)
    append(
        erasure_log(store, MODEL),
        Erasure(
            subject="9" * 64, state="done", tombstones=(stone,), retrain=(2,), who="dpo", why="asked to", at=after(60)
        ),
    )  # fmt: skip


def card(store: Store, number: int = 2, **arguments: Any) -> Document:
    return card_of(gather(store, MODEL, number, **arguments))
