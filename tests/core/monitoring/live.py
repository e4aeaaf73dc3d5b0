"""Live answers as a table, without an endpoint: what ``AnswersTable.read`` gives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


def answers(
    raw: pd.DataFrame,
    scores: Any,
    labels: Any,
    at: Any,
    *,
    label_at: Any = None,
    variant: str = "v1",
    role: str = "champion",
    rows_per_request: int = 1,
) -> pd.DataFrame:
    """Rows of answers: ``raw`` are the requests' columns; labels are known at once without ``label_at``."""
    count = len(raw)
    number = np.arange(count) // rows_per_request
    times = pd.Series(pd.to_datetime(at, utc=True)).reset_index(drop=True).astype("datetime64[us, UTC]")
    known = times if label_at is None else pd.Series(pd.to_datetime(label_at, utc=True), index=range(count))
    return raw.reset_index(drop=True).assign(
        _inference_id=[f"{variant}-{one}" for one in number],
        _row=np.arange(count) % rows_per_request,
        _event_id=[f"{role}-{variant}-{one}" for one in number],
        _at=times,
        _variant=variant,
        _role=role,
        _chosen="split",
        _deployment=1,
        _status=200,
        _latency_ms=np.linspace(1.0, 9.0, count),
        _prediction=np.asarray(scores, dtype=float),
        _label=np.asarray(labels, dtype=float),
        _label_at=known.astype("datetime64[us, UTC]"),
    )


class Table:
    """Answers that are read whole; a label counts from its time on."""

    def __init__(self, *frames: pd.DataFrame) -> None:
        self.frame = pd.concat(frames, ignore_index=True).sort_values(
            ["_at", "_event_id", "_row"], kind="stable"
        )

    def read(
        self,
        since: datetime,
        until: datetime,
        *,
        variant: str | None = None,
        role: str | None = None,
        as_of: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        found = self.frame[(self.frame["_at"] >= since) & (self.frame["_at"] < until)].copy()
        if as_of is not None:
            late = found["_label_at"] > as_of
            found.loc[late, ["_label", "_label_at"]] = None
        names = list(found.columns) if columns is None else list(columns)
        table = pa.Table.from_pandas(found[[name for name in names if name in found]], preserve_index=False)
        for name in names:
            if name not in table.column_names:
                table = table.append_column(name, pa.nulls(table.num_rows))
        return table.select(names)


class Batches(Table):
    """The same, batch by batch."""

    rows = 100

    def read(self, *args: Any, **given: Any) -> pa.Table:
        raise AssertionError("batches are there")

    def batches(self, *args: Any, **given: Any) -> Any:
        yield from Table.read(self, *args, **given).to_batches(max_chunksize=self.rows)
