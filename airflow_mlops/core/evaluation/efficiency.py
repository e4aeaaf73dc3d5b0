"""What an answer costs: the size of the model, and the time of one core."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.evaluation.analysis import Efficiency
from airflow_mlops.core.training.inputs import raw_frame
from airflow_mlops.core.training.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

_REQUESTS = 300
_LEAST_REQUESTS = 20
#: Seconds that the requests to one model may take; a slow model is asked less often.
_BUDGET = 0.5
_WARM_UP = 5
_BATCH = 2_000


def efficiency_of(predictor: Predictor, frame: pd.DataFrame, champion: Predictor | None) -> Efficiency:
    """Ask for one row at a time, as a client does, and for many at once.

    On one thread of this machine, so numbers of different runs differ; the champion is measured in the same one.

    :param frame: rows with the raw columns of both models.
    """
    mine = latencies(predictor, frame)
    rival = latencies(champion, frame) if champion else None
    batch = frame.iloc[:_BATCH]
    started = time.perf_counter()
    predictor.predict_frame(batch)
    seconds = time.perf_counter() - started
    return Efficiency(
        size=predictor.trained.size,
        rounds=predictor.trained.rounds,
        latency_median_ms=_quantile(mine, 0.5),
        latency_p99_ms=_quantile(mine, 0.99),
        rows_per_second=len(batch) / seconds,
        champion_size=champion.trained.size if champion else None,
        champion_latency_median_ms=None if rival is None else _quantile(rival, 0.5),
    )


def latencies(predictor: Predictor, frame: pd.DataFrame) -> list[float]:
    """Milliseconds of one-row requests, with their check and their features; up to 300 of them."""
    rows = _requests(predictor, frame)
    for row in rows[:_WARM_UP]:
        predictor.predict([row])
    found: list[float] = []
    began = time.perf_counter()
    for number in range(_REQUESTS):
        row = rows[number % len(rows)]
        started = time.perf_counter()
        predictor.check_rows([row])
        predictor.predict([row])
        ended = time.perf_counter()
        found.append((ended - started) * 1e3)
        if ended - began > _BUDGET and len(found) >= _LEAST_REQUESTS:
            break
    return found


def _requests(predictor: Predictor, frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a request carries them: plain values, times as text."""
    inputs = predictor.trained.signature.inputs
    raw = raw_frame(frame.iloc[: min(len(frame), _REQUESTS)], inputs)
    times = [column.name for column in inputs if column.type == "time"]
    plain = raw.astype(object).where(raw.notna(), None)
    for name in times:
        plain[name] = [None if one is None else one.isoformat() for one in plain[name]]
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _quantile(values: list[float], share: float) -> float:
    import numpy as np

    return round(float(np.quantile(values, share)), 4)
