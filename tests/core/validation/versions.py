"""Dataset versions of frames, for tests."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec


def people(**sections: Any) -> ModelSpec:
    """A spec over ``people/*.parquet`` with the event time ``at``, the label ``y`` and the feature ``x``."""
    fields = {
        "name": "people",
        "data": {"source": "people/*.parquet", "event_time": "at", "label": "y"},
        "features": {"columns": ["x"]},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**{**fields, **sections})


def version_of(
    store: Store,
    data: Path,
    *,
    start: str = "2024-01-01",
    step: str = "1h",
    until: datetime | None = None,
    **columns: Any,
) -> DatasetVersion:
    """A version with these columns, and ``at``, ``x`` and ``y`` unless they are among them."""
    rows = len(next(iter(columns.values())))
    base = {
        "at": pd.date_range(start, periods=rows, freq=step, tz="UTC"),
        "x": [0.5] * rows,
        "y": [0, 1] * (rows // 2) + [0] * (rows % 2),
    }
    folder = data / "people"
    folder.mkdir(exist_ok=True)
    pd.DataFrame({**base, **columns}).to_parquet(folder / "all.parquet", index=False)
    return snapshot(store, FolderRoot(data), people(), until=until)
