"""Registered versions with real, small models."""

from __future__ import annotations

import numpy as np
import xgboost

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Log
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import FeatureCode, InputColumn, Signature, TrainedModel
from tests.core.serving.fakes import MODEL

#: A feature function that a model was trained with.
CODE = b"""
def features(frame):
    frame = frame.copy()
    frame["twice"] = frame["x"] * 2
    return frame[["twice", "carrier"]]
"""


def register(store: FolderStore, number: int, *, code: bytes | None = None) -> TrainedModel:
    """Version ``number``, a small booster; its code is a module with the function ``features``."""
    with_function = code is not None
    random = np.random.default_rng(number)
    matrix = np.column_stack([random.normal(size=500), random.integers(0, 2, size=500)]).astype(np.float32)
    label = (matrix[:, 0] > 0) ^ (matrix[:, 1] > 0)
    params = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": number}
    artifact = bytes(xgboost.train(params, xgboost.DMatrix(matrix, label), 5 + number).save_raw("ubj"))
    function = (
        FeatureCode(module="code", function="features", sha256=put_bytes(store, code)) if code else None
    )
    trained = TrainedModel(
        model=MODEL,
        dataset="d",
        framework="xgboost",
        artifact=put_bytes(store, artifact),
        size=len(artifact),
        code=function,
        signature=Signature(
            inputs=(InputColumn(name="x", type="number"), InputColumn(name="carrier", type="string")),
            allowed=("flight",),
            features=("twice" if with_function else "x", "carrier"),
            categories={"carrier": ("DL", "UA")},
        ),
        objective="binary",
        seed=0,
        rounds=5,
        train_rows=500,
        environment=put_bytes(store, b""),
        seconds=0.1,
    )
    entry = ModelVersion(
        model=MODEL,
        dataset=DatasetRef(name="d", id="d"),
        spec={"serving": {"key": ["flight"], "max_rows": 50, "fallback": {"default": 0.2}}},
        trained=trained,
        evaluation=Evaluation(rows=0, metrics={}),
        validation=None,
        run=None,
        created_at=utc_now(),
        created_by="test",
    )
    Log(store, f"models/{MODEL}/versions", ModelVersion).append(entry, after=number - 1)
    return trained
