"""A version and a champion, made of records alone."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow_mlops.core.data.version import Column, DataFile, DatasetRef, DatasetVersion
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.registry.approval.case import Case
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.training.artifact import Signature, TrainedModel
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
#: Of the evaluation; the rest is of the version.
_EVALUATION = ("champion_version", "slices", "metrics", "gates", "search", "page")
_MISSING: Any = object()


def validation(*expectations: ExpectationResult, **fields: Any) -> ValidationResult:
    base: dict[str, Any] = {
        "dataset": world.DATASET,
        "tested": world.DATASET,
        "success": True,
        "rows": 9,
        "expectations": expectations,
        "reason": "all held",
        "seconds": 0.1,
    }
    return ValidationResult(**{**base, **fields})


def version(spec: ModelSpec | None = None, shaped: float | None = 0.0, **evaluation: Any) -> ModelVersion:
    found = {**world.evaluation().model_dump(), "metrics": {"auc": 0.8}, **evaluation}
    return ModelVersion(
        model=world.MODEL,
        dataset=world.DATASET,
        spec=(spec or world.spec()).to_dict(),
        trained=TrainedModel(
            model=world.MODEL,
            dataset=world.DATASET.id,
            framework="xgboost",
            artifact="a" * 64,
            size=1234,
            code=None,
            signature=Signature(inputs=(), features=("amount",)),
            objective="binary",
            seed=0,
            rounds=1,
            train_rows=1000,
            environment="e" * 64,
            seconds=1.0,
        ),
        evaluation=Evaluation.model_validate(found),
        validation=None,
        shaped=shaped,
        run=RunRef(dag_id="orders.release", run_id="r1"),
        created_at=NOON,
        created_by="ann",
    )


def data(identity: str = "d1", columns: dict[str, str] | None = None, rows: int = 1000) -> DatasetVersion:
    return DatasetVersion(
        name=world.MODEL,
        id=identity,
        format="parquet",
        files=(DataFile(source="a.parquet", sha256="f" * 64, size=9, rows=rows),),
        rows=rows,
        columns=tuple(
            Column(name=name, type=kind, nulls=0) for name, kind in (columns or {"amount": "double"}).items()
        ),
        event_time="ordered",
        first_event=NOON,
        last_event=NOON,
        created_at=NOON,
    )


def case(
    *,
    champion: Any = _MISSING,
    before: ModelVersion | None = None,
    validation: ValidationResult | None = validation(),  # noqa: B008
    audit: Any = None,
    data: DatasetVersion | None = None,
    data_before: DatasetVersion | None = None,
    **fields: Any,
) -> Case:
    """Version 2 and champion 1; ``champion`` is the champion's metrics in the evaluation, None for no champion."""
    found = {name: fields.pop(name) for name in _EVALUATION if name in fields}
    if champion not in (None, _MISSING):
        found["champion"] = champion
    rival = None if champion is None else (1, before or version())
    return Case(
        number=2,
        record=version(**fields, **found),
        champion=rival,
        validation=validation,
        audit=audit,
        data=data,
        data_before=data_before,
        store_uri="file:///store",
    )


__all__ = ["NOON", "DatasetRef", "case", "data", "validation", "version"]
