"""Registered versions without a training behind them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import KeyExists, KeyMissing
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Item, Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.training.artifact import FeatureCode, InputColumn, Signature, TrainedModel
from airflow_mlops.spec import ModelSpec

MODEL = "orders"
DATASET = DatasetRef(name=MODEL, id="d1")


def spec(**sections: object) -> ModelSpec:
    base: dict[str, object] = {
        "name": MODEL,
        "data": {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"},
        "features": {"columns": ["amount"]},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**{**base, **sections})


def trained(store: Store, content: str = "a model", **fields: object) -> TrainedModel:
    """A record whose parts are in the store."""
    base: dict[str, object] = {
        "model": MODEL,
        "dataset": DATASET.id,
        "framework": "xgboost",
        "artifact": put_bytes(store, content.encode()),
        "size": len(content),
        "code": FeatureCode(module="m", function="f", sha256=put_bytes(store, b"def f(x): return x")),
        "signature": Signature(inputs=(InputColumn(name="amount", type="number"),), features=("amount",)),
        "objective": "binary",
        "seed": 0,
        "rounds": 1,
        "train_rows": 10,
        "environment": put_bytes(store, b"numpy==2\n"),
        "seconds": 1.0,
    }
    return TrainedModel(**{**base, **fields})


def evaluation(outcome: str = "pass", artifact: str | None = None) -> Evaluation:
    result = GateResult(
        gate=Gate(metric="auc", min=0.6),
        outcome=outcome,
        value=0.5,
        limit=0.6,
        reason="0.5 is not at least 0.6",
    )
    return Evaluation(artifact=artifact, rows=100, metrics={"auc": 0.5}, gates=(result,))


def register(
    store: Store, content: str = "a model", run: str | None = "r1", **parts: object
) -> tuple[int, ModelVersion]:
    """Register a model under the key ``release/<run>``."""
    base: dict[str, object] = {
        "trained": trained(store, content),
        "evaluation": evaluation(),
        "dataset": DATASET,
        "spec": spec(),
        "validation": None,
        "run": RunRef(dag_id="release", run_id=run) if run else None,
        "by": "ann",
    }
    return Registry(store, MODEL).register(**{**base, **parts})


def register_many(store: Store, count: int) -> None:
    """Versions 1 to ``count``, written as they are stored: the registry's own checks have their own tests."""
    log: Log[ModelVersion] = Log(store, f"models/{MODEL}/versions", ModelVersion)
    for number in range(count):
        entry = ModelVersion(
            model=MODEL,
            dataset=DATASET,
            spec={},
            trained=trained(store, f"model {number}"),
            evaluation=evaluation(),
            validation=None,
            run=RunRef(dag_id="release", run_id=f"r{number}"),
            created_at=datetime(2024, 1, 1, tzinfo=timezone.utc),
            created_by="ann",
        )
        log.append(entry, after=number)


_addresses = count(1)


class MemoryStore:
    """A store for tests with thousands of writes; each has an address of its own, as a process remembers by it."""

    def __init__(self) -> None:
        self.uri = f"memory:{next(_addresses)}"
        self._objects: dict[str, bytes] = {}

    def read(self, key: str) -> bytes:
        if key not in self._objects:
            raise KeyMissing(key)
        return self._objects[key]

    def create(self, key: str, data: bytes) -> None:
        if self._objects.setdefault(key, data) is not data:
            raise KeyExists(key)

    def exists(self, key: str) -> bool:
        return key in self._objects

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        for key in sorted(self._objects):
            if key.startswith(prefix) and key > start_after:
                yield Item(key, len(self._objects[key]))

    def upload(self, path: Path, key: str, sha256: str) -> None:
        self.create(key, path.read_bytes())

    def download(self, key: str, path: Path, sha256: str) -> None:
        path.write_bytes(self.read(key))
