"""A model with real versions, and a past of captured requests in the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np
import xgboost

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.serving.hours import file_name, hour_of
from airflow_mlops.core.serving.lines import capture_line
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.training.artifact import FeatureCode, InputColumn, Signature, TrainedModel
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world

MODEL = world.MODEL
NOW = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
NUMBERS = ("amount", "weight")
CODE = b"""
def features(frame):
    if (frame["amount"] < -900).any():
        raise ValueError("no such amount")
    return frame[["amount"]].assign(twice=2 * frame["amount"])
"""


def spec(*gates: dict[str, Any], **replay: Any) -> ModelSpec:
    """A replay before a shadow; 200 requests are enough."""
    gates = gates or ({"metric": "error_rate", "margin": 0.05},)
    section = {"min_samples": 200, "gates": gates, **replay}
    shadow = {"min_samples": 50, "gates": [{"metric": "error_rate", "margin": 0.3}]}
    return world.spec(rollout={"replay": section, "shadow": shadow})


@cache
def _booster(inputs: tuple[str, ...], code: bool, inverted: bool) -> bytes:
    random = np.random.default_rng(len(inputs))
    amount = random.normal(size=600)
    noise = [random.normal(size=600) for _ in inputs[1:]]
    matrix = np.column_stack([amount, 2 * amount] if code else [amount, *noise]).astype(np.float32)
    label = (amount > 0) != inverted
    params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "seed": len(inputs)}
    return bytes(xgboost.train(params, xgboost.DMatrix(matrix, label), 20).save_raw("ubj"))


def register(
    store: Store, inputs: Sequence[str] = ("amount",), *, code: bool = False, inverted: bool = False
) -> int:
    """The next version: it says whether ``amount`` is above 0, or with ``inverted`` whether it is not."""
    artifact = _booster(tuple(inputs), code, inverted)
    trained = TrainedModel(
        model=MODEL,
        dataset="d",
        framework="xgboost",
        artifact=put_bytes(store, artifact),
        size=len(artifact),
        code=FeatureCode(module="m", function="features", sha256=put_bytes(store, CODE)) if code else None,
        signature=Signature(
            inputs=tuple(InputColumn(name=name, type="number") for name in inputs),
            allowed=("id", *(name for name in NUMBERS if name not in inputs)),
            features=("amount", "twice") if code else tuple(inputs),
        ),
        objective="binary",
        seed=0,
        rounds=20,
        train_rows=600,
        environment=put_bytes(store, b""),
        seconds=0.1,
    )
    log = Log(store, f"models/{MODEL}/versions", ModelVersion)
    number = log.last_number() + 1
    entry = ModelVersion(
        model=MODEL,
        dataset=DatasetRef(name=MODEL, id="d"),
        spec=spec().to_dict(),
        trained=trained,
        evaluation=Evaluation(rows=0, metrics={}),
        validation=None,
        run=None,
        created_at=NOW,
        created_by="test",
    )
    log.append(entry, after=number - 1)
    return number


def promote(store: Store, version: int) -> None:
    """Make a version the first champion."""
    DeploymentLog(store, MODEL).promote(version, who="ann", why="first", run="release/first")


def predictor(store: Store, version: int) -> Predictor:
    return Predictor.load(store, Log(store, f"models/{MODEL}/versions", ModelVersion).read(version).trained)


def requests(count: int, *, rows: int = 1, seed: int = 0) -> list[tuple[dict[str, Any], ...]]:
    """The rows of requests."""
    random = np.random.default_rng(seed)
    return [
        tuple({"amount": float(random.normal()), "weight": 1.0, "id": number} for _ in range(rows))
        for number in range(count)
    ]


def answered(
    store: Store, asked: Iterable[tuple[dict[str, Any], ...]], *, first: int = 0, **fields: Any
) -> list[CaptureRecord]:
    """Captures of version 1's answers, the last one a minute before NOW, one per second."""
    asked = list(asked)
    model = predictor(store, 1)
    records = []
    for number, rows in enumerate(asked):
        defaults: dict[str, Any] = {
            "event_id": f"event-{first + number}",
            "inference_id": f"request-{first + number}",
            "variant": "v1",
            "role": "champion",
            "at": NOW - timedelta(seconds=60 + len(asked) - number),
            "latency_ms": 3.0,
            "status": 200,
            "key": sha256(f"{first + number}".encode()).hexdigest()[:16],
            "rows": rows,
            "predictions": tuple(model.predict(rows)) if rows else (),
            "deployment": 1,
        }
        records.append(CaptureRecord(**{**defaults, **fields}))
    return records


def keep(store: Store, records: Iterable[CaptureRecord], name: str = "a") -> None:
    """Captured lines in the store, as the endpoint ships them."""
    files: dict[tuple[str, str], list[CaptureRecord]] = {}
    for record in records:
        files.setdefault((record.variant, hour_of(record.at)), []).append(record)
    for (variant, hour), group in files.items():
        lines = b"".join(capture_line(MODEL, record) for record in group)
        key = f"{captures_prefix(MODEL)}{variant}/{hour}/{file_name(group[0].at, name)}"
        store.create(key, lines)


def label(store: Store, records: Iterable[CaptureRecord]) -> None:
    """The truth about requests, half a minute before NOW: whether ``amount`` is above 0."""
    at = NOW - timedelta(seconds=30)
    truth = [
        GroundTruth(inference_id=record.inference_id, row=row, label=float(fields["amount"] > 0), at=at)
        for record in records
        for row, fields in enumerate(record.rows)
    ]
    append_ground_truth(store, MODEL, truth)


def conductor(store: Store, spec: ModelSpec, run: str = "release/2") -> Conductor:
    """A conductor whose endpoint has nothing but its captures: a replay asks for nothing else."""
    endpoint = LocalEndpoint("http://127.0.0.1:1", MODEL, store)
    return Conductor(store=store, endpoint=endpoint, spec=spec, run=run, who="ann")


def replayed(
    store: Store, spec: ModelSpec, version: int = 2, *, now: datetime = NOW, **fields: Any
) -> Verdict:
    """The verdict of a replay."""
    verdict = conductor(store, spec, **fields).replay(version, now)
    assert verdict is not None
    return verdict
