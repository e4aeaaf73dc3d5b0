"""A small model's spec, its dataset version, and live traffic made to measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.monitoring.columns import read_frame_of, watched_columns
from airflow_mlops.core.monitoring.window import Reference, Window, live_window
from airflow_mlops.core.store import open_store
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring.traffic import NOW, answered

RAW = ("distance", "carrier", "snow", "month")
TYPES = {"distance": "int64", "carrier": "string", "snow": "bool", "month": "int64", "at": "timestamp[us]"}


@pytest.fixture
def store(tmp_path: Any) -> Any:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def make_spec() -> Callable[..., ModelSpec]:
    def make(columns: Sequence[str] = RAW, **monitoring: Any) -> ModelSpec:
        return ModelSpec(
            name="flight_delay",
            data={"source": "flights/*.parquet", "event_time": "at", "label": "late"},
            features={"columns": columns, "categorical": ("month",) if "month" in columns else ()},
            evaluation={"gates": ({"metric": "auc", "min": 0.6},)},
            rollout={"canary": {"gates": ({"metric": "error_rate", "max": 0.01},)}},
            monitoring={"min_rows": 200, **monitoring},
        )

    return make


@pytest.fixture
def version() -> DatasetVersion:
    return DatasetVersion(
        name="flight_delay",
        id="d" * 64,
        format="parquet",
        files=(),
        rows=5000,
        columns=tuple(Column(name=name, type=kind, nulls=0) for name, kind in TYPES.items()),
        event_time="at",
        first_event=NOW - timedelta(days=90),
        last_event=NOW - timedelta(days=1),
        created_at=NOW,
    )


@pytest.fixture
def sides(version: DatasetVersion) -> Callable[..., tuple[Any, Window, Reference]]:
    """Watched columns, window and reference from two raw frames, and predictions if there are any."""

    def make(
        spec: ModelSpec, live: pd.DataFrame, training: pd.DataFrame, answers: Any = None, scores: Any = None
    ) -> tuple[Any, Window, Reference]:
        columns = watched_columns(spec, version)
        predictions = np.full(len(live), 0.5) if answers is None else np.asarray(answers)
        window = live_window(
            answered(live, predictions).to_batches(),
            columns,
            champion=3,
            since=NOW - timedelta(days=1),
            until=NOW,
        )
        held = np.empty(0) if scores is None else np.asarray(scores)
        return columns, window, Reference(version, read_frame_of(training, columns), held)

    return make
