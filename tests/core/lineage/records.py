"""One record of each kind that lineage is made of."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.data.erasures import Erasure, Tombstone
from airflow_mlops.core.data.pin import Pin
from airflow_mlops.core.data.version import Column, DataFile, DatasetRef, DatasetVersion, Derivation
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.monitoring.answers.records import TakenIn
from airflow_mlops.core.monitoring.look import Look, Reason, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport, Movement, Multivariate
from airflow_mlops.core.monitoring.skew import SkewReport
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.reproduction.record import Difference, Reproduction
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.transform_rows import Predicted
from airflow_mlops.core.training.artifact import (
    ColumnLineage,
    FeatureCode,
    InputColumn,
    Signature,
    TrainedModel,
)
from airflow_mlops.core.training.leakage import FeatureStrength, LeakageReport
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult

STORE = "file:///srv/store"
OWNED = {
    "name": "flight_delay",
    "description": "Will a flight be late?",
    "owner": "ada",
    "team": "punctuality",
    "contact": "punctuality@example.org",
}
NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)


def dataset_version(files: int = 2) -> DatasetVersion:
    return DatasetVersion(
        name="flight_delay",
        id="d" * 64,
        format="parquet",
        files=tuple(
            DataFile(source=f"flights/2013/{n:03d}.parquet", sha256=f"{n:064x}", size=1000, rows=10)
            for n in range(files)
        ),
        rows=10 * files,
        columns=(
            Column(name="distance", type="int64", nulls=1, distinct=5, min=17, max=4983, mean=1039.9),
            Column(name="carrier", type="string", nulls=0, distinct=16, min="9E", max="YV"),
        ),
        event_time="scheduled",
        first_event=datetime(2013, 1, 1, 5, 15),  # noqa: DTZ001 - a source without zones
        last_event=datetime(2013, 6, 30, 23, 59, tzinfo=timezone.utc),
        until=datetime(2013, 7, 1, tzinfo=timezone.utc),
        created_at=NOW,
    )


def pin(objects: int = 2) -> Pin:
    """Objects of a versioned bucket; the first one was written before it was versioned."""
    return Pin(
        name="flight_delay",
        id="d" * 64,
        format="parquet",
        root="s3://lake/gold",
        event_time="scheduled",
        created_at=NOW,
        sources=tuple(f"flights/2013/{n:03d}.parquet" for n in range(objects)),
        sizes=(1000,) * objects,
        version_ids=(None, *(f"version-{n}" for n in range(1, objects))),
        etags=("tag",) * objects,
        hashes={"flights/2013/000.parquet": f"{0:064x}"},
    )


def trained_model() -> TrainedModel:
    return TrainedModel(
        model="flight_delay",
        dataset="d" * 64,
        framework="xgboost 3.2.0",
        artifact="a" * 64,
        size=123456,
        code=FeatureCode(module="flight_features", function="build", sha256="c" * 64),
        signature=Signature(inputs=(InputColumn(name="distance", type="number"),), features=("distance",)),
        objective="binary",
        seed=7,
        rounds=80,
        train_rows=15,
        environment="e" * 64,
        seconds=1.5,
    )


def gate_results() -> tuple[GateResult, ...]:
    return (
        GateResult(gate=Gate(metric="auc", min=0.7), outcome="pass", value=0.75, limit=0.7, reason="0.75"),
        GateResult(
            gate=Gate(metric="log_loss", margin=0.01, slice="carrier=UA"),
            outcome="inconclusive",
            champion=0.45,
            bound=float("inf"),
            samples=12,
            reason="12 rows",
        ),
    )


def evaluation(**fields: Any) -> Evaluation:
    return Evaluation(
        rows=5,
        metrics={"auc": 0.75, "log_loss": float("nan")},
        champion_version=2,
        champion={"auc": 0.74},
        slices=(SliceMetrics(slice="carrier=UA", rows=3, metrics={"auc": 0.7}),),
        gates=gate_results(),
        **fields,
    )


def model_version() -> ModelVersion:
    return ModelVersion(
        model="flight_delay",
        dataset=DatasetRef(name="flight_delay", id="d" * 64),
        spec={"training": {"params": {"max_depth": 6, "eta": 0.1}}},
        trained=trained_model(),
        evaluation=evaluation(),
        validation=None,
        run=RunRef(dag_id="flight_delay.release", run_id="manual"),
        created_at=NOW,
        created_by="ada",
    )


def verdict() -> Verdict:
    return Verdict(
        stage="canary",
        decision="ROLLBACK",
        reason="error_rate is too high",
        gates=gate_results(),
        counts={"challenger": 100, "champion": 900},
        alpha=0.05,
    )


def validation_result() -> ValidationResult:
    return ValidationResult(
        dataset=DatasetRef(name="flight_delay", id="d" * 64),
        tested=DatasetRef(name="flight_delay", id="d" * 64),
        success=False,
        rows=20,
        expectations=(
            ExpectationResult(
                type="expect_column_values_to_not_be_null",
                column="distance",
                severity="fail",
                success=False,
                unexpected_count=3,
                unexpected_share=0.15,
                element_count=20,
                reason="3 of 20 values are null",
            ),
            ExpectationResult(
                type="expect_compound_columns_to_be_unique",
                column="distance, carrier",
                severity="warn",
                success=True,
                reason="all are unique",
            ),
        ),
        reason="1 of 2 expectations failed",
        quarantine="b" * 64,
        quarantined_rows=3,
        seconds=0.1,
    )


def drift_report() -> DriftReport:
    return DriftReport(
        model="flight_delay",
        champion=3,
        dataset=DatasetRef(name="flight_delay", id="d" * 64),
        since=NOW - timedelta(days=1),
        until=NOW,
        rows=600,
        reference_rows=50_000,
        outcome="drift",
        reason="1 of 2 columns drifted",
        columns=(
            ColumnDrift(
                column="distance",
                kind="number",
                importance=0.4,
                method="K-S p_value",
                threshold=0.05,
                value=0.001,
                p_value=0.001,
                adjusted=0.002,
                effect=0.3,
                drifted=True,
                movements=(Movement(aspect="values", p_value=0.001, effect=0.3, said="median 870 -> 1,040"),),
            ),
            ColumnDrift(column="snow", kind="number", note="all null in the training data"),
        ),
        multivariate=Multivariate(auc=0.61, p_value=0.001, drifted=True, columns=("distance",), rows=600),
        share=0.4,
        alpha=0.05,
        report_html="f" * 64,
    )


def performance_report() -> PerformanceReport:
    day = {"since": NOW - timedelta(days=1), "until": NOW}
    return PerformanceReport(
        model="flight_delay",
        champion=3,
        as_of=NOW,
        objective="binary",
        baseline={"log_loss": 0.45},
        periods=(
            PeriodPerformance(
                champion=3,
                rows=600,
                labelled=570,
                measured={"log_loss": Value(value=0.6, low=0.55, high=0.65)},
                estimated={"log_loss": Value(value=0.5)},
                **day,
            ),
        ),
        judged_on="measured",
        page="e" * 64,
        **day,
    )


def approval() -> ApprovalRecord:
    """One that was asked for; nobody saw a text of it for ``not_needed``."""
    return ApprovalRecord(
        run="flight_delay.release/manual",
        version=3,
        outcome="rejected",
        reason="grace said no: too slow",
        reasons=("log_loss is worse than the champion's",),
        evidence="9" * 64,
        answers=(
            Answer(user="ada", choice="approve", at=NOW),
            Answer(user="grace", choice="reject", at=NOW + timedelta(minutes=5), comment="too slow"),
        ),
        at=NOW + timedelta(minutes=5),
    )


def reproduction() -> Reproduction:
    return Reproduction(
        run="flight_delay.reproduce/manual",
        version=3,
        outcome="equal",
        reason="other bytes, within the tolerance",
        artifact="a" * 64,
        rebuilt="8" * 64,
        environment=(
            Difference(name="numpy", recorded="1.26.4", found="2.1.0"),
            Difference(name="scipy", recorded="1.13.0", found=None),
        ),
        metrics={"auc": 1e-9},
        predictions=2e-7,
        tolerance=1e-6,
        place="here",
        seconds=4.2,
        by="ada",
        at=NOW,
    )


def erasure() -> Erasure:
    """Of one version other rows were left, of the other one none."""
    return Erasure(
        subject="5" * 64,
        state="done",
        tombstones=(
            Tombstone(
                dataset=DatasetRef(name="flight_delay", id="d" * 64),
                rows=3,
                replaced_by=DatasetRef(name="flight_delay", id="7" * 64),
                blobs=("6" * 64,),
                outside=("s3://lake/gold/1.parquet",),
            ),
            Tombstone(dataset=DatasetRef(name="flight_delay__scoring", id="4" * 64), rows=1),
        ),
        elsewhere={"captures": 2},
        retrain=(3,),
        who="ada",
        why="Mr Smith of 7 Elm Street asked for it",
        run=None,
        at=NOW,
    )


def joined_version() -> DatasetVersion:
    """The rows with a column of ``flight_delay__weather``."""
    parent = dataset_version()
    weather = DatasetRef(name="flight_delay__weather", id="2" * 64)
    made = Derivation(kind="join", parents=(parent.ref, weather), by="task", note="9 of 20 rows")
    columns = (*parent.columns, Column(name="wind", type="double", nulls=0))
    return parent.model_copy(update={"id": "1" * 64, "columns": columns, "derivation": made})


def measured_model() -> TrainedModel:
    """One whose features were measured to be made of raw columns, of which one was joined."""
    signature = Signature(
        inputs=(InputColumn(name="distance", type="number"), InputColumn(name="wind", type="number")),
        features=("far", "storm"),
    )
    lineage = ColumnLineage(how="measured", columns={"far": ("distance",), "storm": ("distance", "wind")})
    return trained_model().model_copy(update={"signature": signature, "column_lineage": lineage})


def taken_in() -> TakenIn:
    return TakenIn(until=NOW, answers=600, rows=610, labels=570)


def look() -> Look:
    """One that asks for retraining."""
    return Look(
        run="flight_delay.monitor/scheduled",
        since=NOW - timedelta(days=1),
        until=NOW,
        champion=3,
        drift="f" * 64,
        performance="e" * 64,
        outcome="drift",
        share=0.4,
        columns=("distance",),
        metrics={"log_loss": 0.6},
        judged_on="measured",
        failed_gates=(),
        decision=RetrainDecision(
            retrain=True,
            reasons=(Reason(cause="drift", said="distance drifted", columns=("distance",)),),
            said="retrain: distance drifted",
            shaped=0.1,
        ),
        at=NOW + timedelta(minutes=1),
    )


def leakage_report() -> LeakageReport:
    return LeakageReport(
        dataset=DatasetRef(name="flight_delay", id="d" * 64),
        rows=20,
        objective="binary",
        max_auc=0.95,
        severity="fail",
        strengths=(FeatureStrength(feature="arrived", auc=0.99),),
        leaks=("arrived",),
        cuts=(),
        changes=(),
        compared_with=DatasetRef(name="flight_delay", id="3" * 64),
        unproved=(),
    )


def skew_report() -> SkewReport:
    return SkewReport(
        model="flight_delay",
        champion=3,
        since=NOW - timedelta(days=1),
        until=NOW,
        requests=9,
        rows=9,
        features=(),
        outcome="equal",
        reason="all are equal",
    )


def predicted() -> Predicted:
    return Predicted(
        model="flight_delay",
        version=3,
        dataset="flight_delay__scoring",
        dataset_id="d" * 64,
        parts=2,
        rows=20,
    )
