"""Rows like those the model learned from, and the captures of requests with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from airflow_mlops.core.serving.capture import CaptureRecord

NOW = datetime(2024, 5, 1, 12, tzinfo=timezone.utc)
_NUMBERS = count()


def rows_like_training(n: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": draw.normal(1000, 300, n).round().astype(int),
            "carrier": draw.choice(["UA", "AA", "DL"], n, p=[0.5, 0.3, 0.2]),
            "snow": draw.random(n) < 0.1,
            "month": draw.integers(1, 4, n),
            "at": pd.date_range("2024-02-01", periods=n, freq="min", tz="UTC"),
        }
    )


def requests(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as an endpoint captures them: JSON values."""
    text = frame.assign(at=frame["at"].astype(str)) if "at" in frame else frame
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in text.astype(object).to_dict("records")
    ]


def capture(rows: Sequence[dict[str, Any]], **fields: Any) -> CaptureRecord:
    """A captured live answer of version 3, an hour ago, unless said otherwise."""
    defaults: dict[str, Any] = {
        "inference_id": "i",
        "variant": "v3",
        "role": "champion",
        "at": NOW - timedelta(hours=1),
        "latency_ms": 1.0,
        "status": 200,
        "key": "0" * 16,
        "predictions": tuple(0.5 for _ in rows),
        "deployment": 1,
    }
    return CaptureRecord(**{"event_id": f"e{next(_NUMBERS)}", **defaults, "rows": tuple(rows), **fields})


def answered(frame: pd.DataFrame, predictions: Any, **fields: Any) -> pa.Table:
    """The rows in the table of answers: live answers of version 3, an hour ago, each to its own request, unless said
    otherwise.
    """
    n = len(frame)
    ours: dict[str, Any] = {
        "_event_id": [f"e{next(_NUMBERS)}" for _ in range(n)],
        "_row": [0] * n,
        "_at": [NOW - timedelta(hours=1)] * n,
        "_variant": ["v3"] * n,
        "_role": ["champion"] * n,
        "_status": [200] * n,
        "_prediction": list(predictions),
    }
    ours |= {name: values if isinstance(values, list) else [values] * n for name, values in fields.items()}
    schema = {"_at": pa.timestamp("us", tz="UTC"), "_row": pa.int64(), "_status": pa.int64()}
    schema |= {"_prediction": pa.float64()}
    arrays = {name: pa.array(values, schema.get(name, pa.string())) for name, values in ours.items()}
    raw = pa.Table.from_pandas(frame, preserve_index=False)
    return pa.table({**arrays, **{name: raw.column(name) for name in raw.column_names}})
