"""Orders to predict in a batch, on a simulator of SageMaker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from airflow_mlops.core.aws import async_clients, patience
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.sagemaker.version_model import ensure_model
from airflow_mlops.core.serving.sagemaker_transform import BatchTransform
from airflow_mlops.core.serving.transform_rows import Staged, stage
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.aws.world import World, simulated
from tests.core.training import world as orders

SETTINGS = SageMaker(
    role_arn="arn:aws:iam::123456789012:role/mlops",
    hosting={"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"},
    tags={"team": "ops"},
)


@dataclass
class Batch:
    """A registered version, and rows to predict."""

    world: World
    store: Store
    spec: ModelSpec
    dataset: DatasetVersion
    record: ModelVersion
    prefix: str = "batch"

    def transform(self, run: str) -> BatchTransform:
        return BatchTransform(
            aws=self.world.aws, settings=SETTINGS, store=self.store, model="orders", run=run
        )

    def stage(self, prefix: str) -> Staged:
        return stage(self.store, prefix, 1, self.record, self.dataset)

    def model(self) -> str:
        return ensure_model(self.world.aws, SETTINGS, self.store, "orders", 1)

    def expected(self) -> list[float]:
        """What the model itself says of the rows, in their order."""
        columns = [column.name for column in self.record.trained.signature.inputs]
        batches = [batch.to_pandas() for batch in read_batches(self.store, self.dataset, columns)]
        return list(Predictor.load(self.store, self.record.trained).predict_frame(pd.concat(batches)))


@contextmanager
def batches(folder: Path) -> Iterator[Batch]:
    """A world that begins and ends here."""
    with simulated() as world:
        store = open_store(f"s3://{world.bucket}/store", world.s3)
        spec = orders.spec_of(serving={"max_rows": 500})
        dataset = orders.make_version(store, folder / "data", orders.World().frame(), spec)
        yield Batch(world, store, spec, dataset, registered(store, spec, dataset))


def connect(batch: Batch, monkeypatch: pytest.MonkeyPatch, **extra: str) -> None:
    """Airflow's connections to the world, ``mlops_sim`` and ``aws_sim``, and triggers that look often.

    :param extra: further fields of ``mlops_sim``.
    """
    monkeypatch.setattr(patience, "FIRST", 0.05)
    monkeypatch.setattr(patience, "LONGEST", 0.1)
    monkeypatch.setattr(async_clients, "LINGER", 0.3)
    server, aws = batch.world.server, batch.world.aws
    mlops = {
        "store": batch.store.uri,
        "endpoint": "sagemaker",
        "aws_conn_id": "aws_sim",
        "sagemaker": SETTINGS.model_dump(mode="json", exclude_defaults=True),
        **extra,
    }
    there = {
        "region_name": aws.region,
        "endpoint_url": batch.world.sagemaker.url,
        "service_config": {"s3": {"endpoint_url": server.endpoint}},
    }
    keys = {"login": server.access_key, "password": server.secret_key}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_SIM", json.dumps({"conn_type": "mlops", "extra": mlops}))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SIM", json.dumps({"conn_type": "aws", **keys, "extra": there}))


def registered(store: Store, spec: ModelSpec, dataset: DatasetVersion) -> ModelVersion:
    trained = train(store, spec, dataset)
    passed = GateResult(gate=Gate(metric="auc", min=0.6), outcome="pass", reason="good")
    _, record = Registry(store, "orders").register(
        trained=trained,
        evaluation=Evaluation(artifact=trained.artifact, rows=1, metrics={"auc": 0.7}, gates=(passed,)),
        dataset=DatasetRef(name=dataset.name, id=dataset.id),
        spec=spec,
        validation=None,
        run=None,
        by="ann",
    )
    return record
