"""Requests to each variant in a period: how many, how many failed, how long the answers took."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.monitoring.performance.report import TrafficPeriod

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_QUANTILES = (0.5, 0.95, 0.99)
#: What a count of traffic is made from.
COLUMNS = ("_row", "_variant", "_role", "_status", "_latency_ms", "_prediction")

_Key = tuple[str, str]


class Traffic:
    """Counts the requests of one period, each once however many rows it has."""

    def __init__(self, since: datetime, until: datetime) -> None:
        self._since = since
        self._until = until
        self._requests: Counter[_Key] = Counter()
        self._failed: Counter[_Key] = Counter()
        self._latencies: dict[_Key, list[NDArray[np.float32]]] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Count some rows of answers, with :data:`COLUMNS`."""
        requests = frame[frame["_row"] == 0]
        for (variant, role), group in requests.groupby(["_variant", "_role"], sort=True):
            key = (str(variant), str(role))
            answered = (group["_status"] == 200) & group["_prediction"].notna()
            self._requests[key] += len(group)
            self._failed[key] += int((~answered).sum())
            took = group.loc[answered, "_latency_ms"].to_numpy(dtype=np.float32, na_value=np.nan)
            # SageMaker does not capture how long an answer took: it is 0 there.
            self._latencies.setdefault(key, []).append(took[np.isfinite(took) & (took > 0)])

    def periods(self) -> tuple[TrafficPeriod, ...]:
        """One record for each variant and role, in the order of their names."""
        return tuple(
            TrafficPeriod(
                since=self._since,
                until=self._until,
                variant=variant,
                role=role,
                requests=self._requests[variant, role],
                failed=self._failed[variant, role],
                latency_ms=_quantiles(self._latencies[variant, role]),
            )
            for variant, role in sorted(self._requests)
        )


def _quantiles(parts: list[NDArray[np.float32]]) -> tuple[float, float, float] | None:
    all_of_them = np.concatenate(parts)
    if not len(all_of_them):
        return None
    low, middle, high = np.quantile(all_of_them.astype(np.float64), _QUANTILES)
    return float(low), float(middle), float(high)
