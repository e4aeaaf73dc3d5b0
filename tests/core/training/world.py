"""Orders over forty days, whose label can be learned from their columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import open_data_root
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec

COLUMNS = ["amount", "country", "express", "ordered"]


@dataclass(frozen=True)
class World:
    """Where orders come from."""

    rows: int = 1200
    seed: int = 0

    def frame(self) -> pd.DataFrame:
        random = np.random.default_rng(self.seed)
        amount = random.normal(50, 20, self.rows)
        country = random.choice(["AT", "DE", "FR", "IT"], self.rows)
        express = random.random(self.rows) < 0.3
        signal = (amount - 50) / 10 + np.where(country == "DE", 2.0, 0.0) - 2 * express
        late = random.random(self.rows) < 1 / (1 + np.exp(-signal))
        frame = pd.DataFrame(
            {
                "ordered": pd.Timestamp("2024-01-01", tz="UTC")
                + pd.to_timedelta(np.linspace(0, 40, self.rows), unit="D").round("s"),
                "amount": amount,
                "country": country,
                "express": express,
                "city": random.choice(["big", "small"], self.rows, p=[0.9, 0.1]),
                "late": late.astype("int64"),
            }
        )
        frame.loc[random.random(self.rows) < 0.05, "amount"] = np.nan
        frame.loc[random.random(self.rows) < 0.05, "country"] = None
        return frame


def spec_of(**sections: Any) -> ModelSpec:
    """The spec of the orders, with some sections replaced."""
    base: dict[str, Any] = {
        "name": "orders",
        "data": {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"},
        "features": {"columns": ["amount", "country", "express"]},
        "split": {"test": "10d"},
        "training": {"rounds": 12, "params": {"max_depth": 3}},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**{**base, **sections})


def make_version(store: Store, root: Path, frame: pd.DataFrame, spec: ModelSpec) -> DatasetVersion:
    """Write the frame as a file and take its snapshot."""
    path = root / "orders" / "all.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False)
    return snapshot(store, open_data_root(str(root)), spec)


def rows_of(frame: pd.DataFrame, columns: list[str]) -> list[dict[str, Any]]:
    """The rows as a JSON request would carry them."""
    rows = []
    for record in frame[columns].to_dict("records"):
        rows.append({name: _plain(value) for name, value in record.items()})
    return rows


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
