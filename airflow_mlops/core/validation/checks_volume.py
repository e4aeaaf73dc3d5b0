"""How many rows there are, and whether that is as usual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.checks_part import Part, parts_to_compare
from airflow_mlops.core.validation.result import ExpectationResult

if TYPE_CHECKING:
    from airflow_mlops.spec.validation import Volume

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Rate:
    """Rows per day of event time."""

    rows: int
    days: float

    @property
    def value(self) -> float:
        return self.rows / self.days


def check_volume(
    store: Store,
    asked: Volume,
    version: DatasetVersion,
    previous: DatasetVersion | None,
    now: datetime,
    dropped: int = 0,
) -> ExpectationResult:
    """Whether a version has as many rows as asked for, and a day of it as many as a day of the version before.

    Where a version goes on from the version before, only what is new is compared: half a month that is missing
    hardly shows among a year of rows. Days are days of event time, from the first event (or ``since``) to the
    end of the window as far as it lies in the past, without an end to the last event; at least one.

    :param dropped: rows that go on no further, which ``min_rows`` does not count.
    """
    left = version.rows - dropped
    problems, told = [], [f"{version.rows:,} rows"]
    if asked.min_rows is not None and left < asked.min_rows:
        without = f" are left without the {dropped:,} that are dropped" if dropped else ""
        problems.append(f"{left:,} rows{without}, at least {asked.min_rows:,} expected")
    if asked.max_rows is not None and version.rows > asked.max_rows:
        problems.append(f"{version.rows:,} rows, at most {asked.max_rows:,} expected")
    if asked.max_change is not None and previous is None:
        told.append("no version before to compare with")
    elif asked.max_change is not None and previous is not None:
        before, after = _rates(store, version, previous, now)
        change = after.value / before.value - 1
        line = (
            f"{after.value:,.1f} rows a day against {before.value:,.1f} in {previous.id[:12]} ({change:+.0%})"
        )
        told.append(line)
        if abs(change) > asked.max_change:
            problems.append(f"{line}, at most {asked.max_change:.0%} either way expected")
    return ExpectationResult(
        type="check_volume",
        column=None,
        severity=asked.severity,
        success=not problems,
        reason="; ".join(problems or told),
    )


def _rates(
    store: Store, version: DatasetVersion, previous: DatasetVersion, now: datetime
) -> tuple[_Rate, _Rate]:
    old, new = parts_to_compare(version, previous)
    if new.after is not None and _end(version, now) - new.after < _DAY:
        new = Part(version)  # less than a day is new, and no day is like the other within itself
    return _rate(store, old, now), _rate(store, new, now)


def _rate(store: Store, part: Part, now: datetime) -> _Rate:
    start = part.after or part.version.since or part.version.first_event
    return _Rate(part.rows(store), max((_end(part.version, now) - start) / _DAY, 1.0))


def _end(version: DatasetVersion, now: datetime) -> datetime:
    return max(min(version.until, now), version.last_event) if version.until else version.last_event
