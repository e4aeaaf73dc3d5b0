"""Registered versions of the small model of tests/core/training, as a container gets them."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.serving.model_archive import put_model
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import COLUMNS, World, rows_of, spec_of

MODEL = "orders"
#: Fails on rows that its contract lets pass, as a model in production may.
SQL = "SELECT amount, country, 1 / CAST(country != 'IT' AS INTEGER) AS ratio FROM rows"
FEATURES: dict[str, dict[str, Any]] = {
    "columns": {"columns": ["amount", "country", "express"]},
    "function": {"columns": COLUMNS, "function": "tests.core.training.order_features:good"},
    "sql": {"columns": ["amount", "country"], "sql": "SELECT amount * 2 AS twice, country FROM rows"},
}
RULE = {"default": 0.3, "by": "country", "values": {"DE": 0.7}}


@dataclass(frozen=True)
class Released:
    """A registered version and what it was made of."""

    store: Store
    number: int
    trained: TrainedModel
    frame: pd.DataFrame

    def rows(self, count: int = 20) -> list[dict[str, Any]]:
        return rows_of(self.frame.head(count), [column.name for column in self.trained.signature.inputs])


def spec(kind: str, **serving: Any) -> ModelSpec:
    return spec_of(features=FEATURES[kind], serving={"max_rows": 50, **serving})


def release(store: Store, version: DatasetVersion, spec: ModelSpec) -> Released:
    """Train and register."""
    trained = train(store, spec, version)
    log = Log(store, f"models/{MODEL}/versions", ModelVersion)
    last = log.last_number()
    entry = ModelVersion(
        model=MODEL,
        dataset=DatasetRef(name=MODEL, id=version.id),
        spec=spec.to_dict(),
        trained=trained,
        evaluation=Evaluation(rows=0, metrics={}),
        validation=None,
        run=None,
        created_at=utc_now(),
        created_by="test",
    )
    log.append(entry, after=last)
    return Released(store, last + 1, trained, World().frame())


def unpacked(store: Store, number: int | None, folder: Path) -> Path:
    """The archive of a version, as SageMaker unpacks it into ``/opt/ml/model``."""
    key = put_model(store, MODEL, number)
    return unpack(store, key, folder)


def unpack(store: Store, key: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    archive = folder.with_suffix(".tar.gz")
    archive.write_bytes(store.read(key))
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    return folder
