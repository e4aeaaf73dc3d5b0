"""Reading captured answers back from the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.serving.hours import Cursor, OnBroken, children, read_lines, report_broken
from airflow_mlops.core.serving.lines import read_capture
from airflow_mlops.core.store import Store


def captures_prefix(model: str) -> str:
    """Key prefix of a model's captured answers; below it one folder per variant."""
    return f"captures/{model}/"


def read_captures(
    store: Store,
    model: str,
    since: datetime,
    *,
    on_broken: OnBroken = report_broken,
    cursor: Cursor | None = None,
) -> Iterator[CaptureRecord]:
    """Captured answers of a model from ``since`` (aware) on, variant by variant, oldest first within a
    variant.

    Reads the hour folders from ``since`` on only. Answers reach the store about a second (S3: five) after
    they were given.

    :param on_broken: called with the key and the line number of a line that can't be read; it is left out.
    :param cursor: with one, only answers are read that it has not seen.
    """
    prefix = captures_prefix(model)
    for variant in children(store, prefix):
        for record in read_lines(store, f"{prefix}{variant}/", since, read_capture, on_broken, cursor):
            if record.at >= since:
                yield record
