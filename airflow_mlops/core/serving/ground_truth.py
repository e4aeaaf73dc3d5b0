"""The truth about captured answers, known later: labels in SageMaker's ground-truth JSON lines."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from airflow_mlops.core.errors import KeyExists, RequestError
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.hours import Cursor, OnBroken, file_name, hour_of, read_lines, report_broken
from airflow_mlops.core.serving.lines import read_truth, truth_line
from airflow_mlops.core.store import Store


def ground_truth_prefix(model: str) -> str:
    """Key prefix of a model's labels."""
    return f"ground_truth/{model}/"


def append_ground_truth(store: Store, model: str, records: Iterable[GroundTruth]) -> int:
    """Keep labels; return how many. The same records given again (a retry) are stored once.

    They lie below the hour of their ``at``, in a file that is named by its content.

    :raises RequestError: if a label is not a finite number, a row is negative or a time has no zone; nothing
        is stored then.
    """
    hours: dict[str, list[GroundTruth]] = defaultdict(list)
    for record in records:
        _check(record)
        hours[hour_of(record.at)].append(record)
    for hour, group in hours.items():
        group.sort(key=lambda record: record.at)
        data = b"".join(map(truth_line, group))
        name = file_name(group[0].at, hashlib.sha256(data).hexdigest()[:16])
        try:
            store.create(f"{ground_truth_prefix(model)}{hour}/{name}", data)
        except KeyExists:
            continue
    return sum(map(len, hours.values()))


def read_ground_truth(
    store: Store,
    model: str,
    since: datetime,
    *,
    on_broken: OnBroken = report_broken,
    cursor: Cursor | None = None,
) -> Iterator[GroundTruth]:
    """Labels with a time of ``since`` (aware) or later, about in the order of their times.

    The same row may come twice: the label with the later ``at`` holds.

    :param on_broken: called with the key and the line number of a line that can't be read; it is left out.
    :param cursor: with one, only labels are read that it has not seen.
    """
    for record in read_lines(store, ground_truth_prefix(model), since, read_truth, on_broken, cursor):
        if record.at >= since:
            yield record


def _check(record: GroundTruth) -> None:
    if not math.isfinite(record.label):
        raise RequestError(f"label of {record.inference_id} is not a number", given=record.label)
    if record.row < 0:
        raise RequestError(
            f"row of {record.inference_id} is negative", given=record.row, expected="0 or more"
        )
    if record.at.tzinfo is None:
        raise RequestError(
            f"time of {record.inference_id} has no zone", given=record.at, expected="UTC, e.g. ...Z"
        )
