"""Orders whose label follows from their columns, so that a wrong one can be seen."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.spec import ModelSpec
from tests.core.training.world import spec_of

REVIEWS = "reviews/orders"


def orders(rows: int = 900, seed: int = 0) -> pd.DataFrame:
    """Forty days of orders; ``late`` is 1 from an amount of 50 on, ``refund`` is known only afterwards."""
    random = np.random.default_rng(seed)
    amount = np.concatenate([random.normal(20, 8, rows // 2), random.normal(80, 8, rows - rows // 2)])
    random.shuffle(amount)
    late = (amount > 50).astype("int64")
    return pd.DataFrame(
        {
            "number": np.arange(rows) + 1000,
            "ordered": pd.Timestamp("2024-01-01", tz="UTC")
            + pd.to_timedelta(np.linspace(0, 40, rows), unit="D").round("s"),
            "amount": amount.round(2),
            "country": random.choice(["AT", "DE"], rows),
            "express": random.random(rows) < 0.3,
            "refund": np.where(late == 1, amount + 5, 0.0),
            "late": late,
        }
    )


def flipped(frame: pd.DataFrame, share: float = 0.04, seed: int = 1) -> tuple[pd.DataFrame, set[int]]:
    """The orders with some labels of the first 28 days wrong, and the numbers of those orders."""
    random = np.random.default_rng(seed)
    early = np.flatnonzero(frame["ordered"] < pd.Timestamp("2024-01-29", tz="UTC"))
    rows = random.choice(early, round(share * len(early)), replace=False)
    wrong = frame.copy()
    wrong.loc[rows, "late"] = 1 - wrong.loc[rows, "late"]
    return wrong, set(frame.loc[rows, "number"])


def labels_spec(*, named: bool = True, **labels: Any) -> ModelSpec:
    """The orders' spec with a label audit; ``named`` gives rows an id."""
    data = {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"}
    if named:
        data["id"] = "number"
    return spec_of(data=data, labels={"folds": 3, "review": REVIEWS, **labels})


def listed(store: Store, result: LabelAudit) -> list[dict[str, str]]:
    """The rows of the CSV review file."""
    return list(csv.DictReader(io.StringIO(get_bytes(store, result.csv).decode())))


def review(rows: list[dict[str, str]], answers: list[str], by: str = "ann") -> list[dict[str, str]]:
    """The first rows with answers."""
    return [
        {**row, "corrected_label": answer, "reviewed_by": by, "comment": "seen"}
        for row, answer in zip(rows, answers, strict=False)
    ]


def hand_in(root: Path, rows: list[dict[str, Any]], name: str = "one.csv") -> None:
    """Put a reviewed file where the spec says."""
    path = root / REVIEWS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(rows)
    if name.endswith(".csv"):
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path, index=False)


def labels_of(store: Store, version: DatasetVersion) -> dict[int, int]:
    """The label of each order."""
    from airflow_mlops.core.data.reading import read_frame

    frame = read_frame(store, version, ["number", "late"])
    return dict(zip(frame["number"], frame["late"], strict=True))
