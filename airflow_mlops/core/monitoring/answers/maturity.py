"""How many rows of each period have labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.monitoring.answers.reading import Asked, Reading
from airflow_mlops.core.monitoring.answers.records import Maturity
from airflow_mlops.core.monitoring.answers.rows import microseconds

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_PERIODS = 100_000
_COUNTS = ("rows", "labelled", "corrected", "skewed")
#: In SQL, as the rows of :data:`_COUNTS`.
_WHAT = "count(*), count(_label), count(*) FILTER (_labels > 1), count(*) FILTER (_label_at < _at)"


def maturity_of(
    reading: Reading, asked: Asked, by: timedelta, waiting: pa.Table | None
) -> tuple[Maturity, ...]:
    """See :meth:`AnswersTable.maturity`.

    :param waiting: the labels without an answer.
    """
    periods = [_Period(since, until) for since, until in cut(asked.since, asked.until, by)]
    step = by // timedelta(microseconds=1)
    group = f"(epoch_us(_at) - {microseconds(asked.since)}) // {step}"
    live = "" if asked.role is not None else " AND _role <> 'shadow'"
    where = f" FILTER (_prediction IS NOT NULL{live})"
    what = ", ".join(_filtered(one, where) for one in _WHAT.split(", "))
    for place, *counts in reading.counted(asked, what, group):
        periods[place].counts.update(dict(zip(_COUNTS, counts, strict=True)))
    for place, count in _unknown(waiting, asked, step):
        periods[place].counts["unknown"] += count
    return tuple(
        Maturity(
            since=one.since, until=one.until, as_of=asked.as_of, **{"rows": 0, "labelled": 0, **one.counts}
        )
        for one in periods
    )


def cut(since: datetime, until: datetime, by: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The periods of a time; the last one may be shorter.

    :raises DataError: if a period has no length, or there are too many of them.
    """
    if by <= timedelta(0) or (until - since) / by > _MOST_PERIODS:
        raise DataError(
            "time can't be cut into periods like that",
            given=f"{until - since} by {by}",
            expected=f"a positive length, and at most {_MOST_PERIODS:,} periods",
        )
    start = since
    while start < until:
        yield start, min(start + by, until)
        start += by


@dataclass
class _Period:
    since: datetime
    until: datetime
    counts: Counter[str] = field(default_factory=Counter)


def _filtered(count: str, where: str) -> str:
    """An aggregate of the answered live rows only."""
    if " FILTER (" not in count:
        return count + where
    head, _, condition = count.partition(" FILTER (")
    return f"{head}{where[:-1]} AND {condition}"


def _unknown(waiting: pa.Table | None, asked: Asked, step: int) -> Iterator[tuple[int, int]]:
    """Labels without an answer by period."""
    if waiting is None:
        return
    at = waiting.column("_label_at").cast("int64").to_numpy()
    end = min(microseconds(asked.until) - 1, microseconds(asked.as_of) if asked.as_of else 2**63 - 1)
    at = at[(at >= microseconds(asked.since)) & (at <= end)]
    places, counts = np.unique((at - microseconds(asked.since)) // step, return_counts=True)
    yield from zip(places.tolist(), counts.tolist(), strict=True)
