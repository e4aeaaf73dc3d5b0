"""Captures and labels made to measure, on a store, and the table as a naive join in memory would have it."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.monitoring.answers import AnswersTable, TakenIn
from airflow_mlops.core.serving.capture import CaptureRecord, GroundTruth
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.serving.ground_truth import append_ground_truth
from airflow_mlops.core.serving.hours import file_name, hour_of
from airflow_mlops.core.serving.lines import capture_line
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store import Store

MODEL = "orders"
DAY = datetime(2026, 3, 3, tzinfo=timezone.utc)  # a Tuesday
NOON = DAY + timedelta(hours=12)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOW = DAY + timedelta(days=5)


def answer(number: int, **fields: Any) -> CaptureRecord:
    """Answer ``number``: of the champion, so many minutes after noon, with one row unless said otherwise."""
    rows = fields.pop("rows", ({"x": float(number), "carrier": "UA"},))
    base: dict[str, Any] = {
        "event_id": f"e{number}",
        "inference_id": f"i{number}",
        "variant": "v1",
        "role": "champion",
        "at": NOON + number * MINUTE,
        "latency_ms": 1.5,
        "status": 200,
        "key": "0" * 16,
        "predictions": tuple(0.5 for _ in rows),
        "deployment": 1,
    }
    return CaptureRecord(**{**base, **fields, "rows": rows})


def label(number: int, value: float = 1.0, *, after: timedelta = HOUR, row: int = 0) -> GroundTruth:
    """The truth about answer ``number``, so long after it was given."""
    return GroundTruth(inference_id=f"i{number}", row=row, label=value, at=NOON + number * MINUTE + after)


def capture(store: Store, *records: CaptureRecord, late: bytes = b"") -> None:
    """Put captures into the store as a server does: a file for each variant, named by its first record's time."""
    variants: dict[str, list[CaptureRecord]] = defaultdict(list)
    for record in records:
        variants[record.variant].append(record)
    for variant, some in variants.items():
        first = min(record.at for record in some)
        name = f"{hour_of(first)}/{file_name(first, uuid.uuid4().hex)}"
        data = b"".join(capture_line(MODEL, record) for record in some) + late
        store.create(f"{captures_prefix(MODEL)}{variant}/{name}", data)


def tell(store: Store, *labels: GroundTruth) -> None:
    """Put labels into the store."""
    append_ground_truth(store, MODEL, labels)


def take_in(store: Store, until: datetime = NOW, **how: Any) -> TakenIn:
    """Take in what is there."""
    endpoint = LocalEndpoint("http://127.0.0.1:1", MODEL, store)
    return AnswersTable(store, MODEL).take_in(endpoint, until=until, **{"now": NOW, **how})


def everything(store: Store, **how: Any) -> list[dict[str, Any]]:
    """All rows of the table."""
    beginning, end = datetime(1990, 1, 1, tzinfo=timezone.utc), datetime(2090, 1, 1, tzinfo=timezone.utc)
    found: list[dict[str, Any]] = AnswersTable(store, MODEL).read(beginning, end, **how).to_pylist()
    return found


def naive(
    records: Iterable[CaptureRecord], labels: Iterable[GroundTruth], as_of: datetime | None = None
) -> list[dict[str, Any]]:
    """What the table has to be: each event once, each row with its newest label."""
    newest: dict[tuple[str, int], tuple[datetime, float]] = {}
    for one in labels:
        if as_of is None or one.at <= as_of:
            key = (one.inference_id, one.row)
            newest[key] = max(newest.get(key, (one.at, one.label)), (one.at, one.label))
    rows = []
    for record in {one.event_id: one for one in records}.values():
        for place, row in enumerate(record.rows):
            at, value = newest.get((record.inference_id, place), (None, None))
            rows.append(
                {
                    "_event_id": record.event_id,
                    "_row": place,
                    "_at": record.at,
                    "_inference_id": record.inference_id,
                    "_variant": record.variant,
                    "_prediction": record.predictions[place] if record.predictions else None,
                    "_label": value,
                    "_label_at": at,
                    "x": row["x"],
                }
            )
    return sorted(rows, key=lambda one: (one["_at"], one["_event_id"], one["_row"]))


#: The columns of :func:`naive`.
NAIVE = ("_event_id", "_row", "_at", "_inference_id", "_variant", "_prediction", "_label", "_label_at", "x")
