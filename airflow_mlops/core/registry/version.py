"""The record of a model version: everything that an auditor asks for, in one immutable entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.training.artifact import TrainedModel


class RunRef(Record):
    """The Airflow run that made something; ``key`` identifies it for idempotence."""

    dag_id: str
    run_id: str

    @property
    def key(self) -> str:
        """One string for the pair."""
        return f"{self.dag_id}/{self.run_id}"


class ModelVersion(Record):
    """One entry of the log ``models/<name>/versions``; its number in the log is the version.

    :param validation: reference of the stored validation, None when nothing was validated.
    :param audit: reference of the stored audit of the labels, None when they were not audited.
    :param shaped: share of the rows of its dataset whose outcome earlier versions' answers may have shaped, an upper
        bound; None where nobody has looked.
    """

    model: str
    dataset: DatasetRef
    spec: dict[str, Any]
    trained: TrainedModel
    evaluation: Evaluation
    validation: str | None
    audit: str | None = None
    shaped: float | None = None
    run: RunRef | None
    created_at: datetime
    created_by: str


def version_log(store: Store, model: str) -> Log[ModelVersion]:
    """The log of all versions of a model."""
    return Log(store, f"models/{model}/versions", ModelVersion)
