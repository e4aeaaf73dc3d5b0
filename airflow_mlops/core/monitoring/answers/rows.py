"""Captured answers on their way into files: one row per row of a request, each answer once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.monitoring.answers.columns import (
    OWN,
    arrow_type,
    columns_of,
    in_columns,
    merged,
    stored_name,
    values_array,
)
from airflow_mlops.core.monitoring.answers.days import Days, day_of
from airflow_mlops.core.monitoring.answers.hashed import Hashes, KnownByDay, hashes_of
from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.records import RowsPart

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.core.serving.capture import CaptureRecord

#: Answers that are turned into columns at once; rows that are held back until a file is written; most rows of a file.
BATCH, MOST_HELD, MOST_ROWS = 4096, 262_144, 262_144
#: The columns of a request that hold times, by variant.
TimesOf = Callable[[str], frozenset[str]]
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MOST = 2**63 - 1


class RowsIntake:
    """Takes captured answers, in any order, and adds files of those that are new to their days.

    :param times_of: says which columns of a variant's requests are times.
    :ivar answers, rows, duplicates: counts of what came.
    :ivar ahead: answers from after ``now``.
    """

    def __init__(self, files: Files, days: Days, times_of: TimesOf, now: datetime, scratch: Path) -> None:
        self._files = files
        self._days = days
        self._times_of = times_of
        self._now = microseconds(now)
        self._known = KnownByDay(lambda day: days.index(days.of(day).rows)[0], scratch)
        self._held: dict[str, list[_Batch]] = defaultdict(list)
        self._held_rows = 0
        self.answers = self.rows = self.duplicates = self.ahead = 0

    def take(self, records: Iterable[CaptureRecord]) -> Iterator[int]:
        """Take them in, batch by batch; after each one, how many answers came so far."""
        source = iter(records)
        came = 0
        while some := list(islice(source, BATCH)):
            groups: dict[tuple[str, str], list[CaptureRecord]] = defaultdict(list)
            for record in some:
                groups[day_of(record.at), record.variant].append(record)
            for (day, variant), group in groups.items():
                self._hold(day, variant, group)
            came += len(some)
            yield came
        for day in sorted(self._held):
            self._write(day)

    def merge(self, day: str, parts: tuple[RowsPart, ...]) -> tuple[RowsPart, ...]:
        """One file, or a few, in place of several."""
        batches = []
        for part in parts:
            event, request, at = self._files.read_index(part.index)
            table = self._files.read("rows", day, part.sha256)
            batches.append(_Batch(table, event, request, at.view(np.int64)))
        return tuple(self._parts(day, batches))

    def _hold(self, day: str, variant: str, records: list[CaptureRecord]) -> None:
        event = hashes_of(record.event_id for record in records)
        fresh = self._known.of(day).fresh(event)
        new = [record for record, one in zip(records, fresh.tolist(), strict=True) if one]
        self.duplicates += len(records) - len(new)
        if not new:
            return
        at = np.array([microseconds(record.at) for record in new], dtype=np.int64)
        request = hashes_of(record.inference_id for record in new)
        batch = _Batch(rows_table(new, self._times_of(variant)), event[fresh], request, at)
        self.answers += len(new)
        self.ahead += int((at > self._now).sum())
        self.rows += batch.table.num_rows
        self._held[day].append(batch)
        self._held_rows += batch.table.num_rows
        while self._held_rows > MOST_HELD:
            self._write(
                max(self._held, key=lambda one: (sum(b.table.num_rows for b in self._held[one]), one))
            )

    def _write(self, day: str) -> None:
        batches = self._held.pop(day)
        self._held_rows -= sum(batch.table.num_rows for batch in batches)
        self._days.add(day, rows=tuple(self._parts(day, batches)))

    def _parts(self, day: str, batches: list[_Batch]) -> Iterator[RowsPart]:
        for group in _groups(batches):
            table = concatenated([batch.table for batch in group])
            event, request, at = (np.concatenate(one) for one in zip(*(b.index for b in group), strict=True))
            yield RowsPart(
                sha256=self._files.write("rows", day, table),
                index=self._files.write_index(event, request, at),
                rows=table.num_rows,
                answers=len(event),
                first=moment(int(at.min())),
                last=moment(int(at.max())),
                columns=columns_of(table),
            )


class _Batch:
    """Some answers of one day: their rows, and per answer the hashes of its event and inference id, and its time."""

    def __init__(self, table: pa.Table, event: Hashes, request: Hashes, at: npt.NDArray[np.int64]) -> None:
        self.table = table
        self.index = (event, request, at)


def microseconds(at: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(at: int) -> datetime:
    """The time of so many microseconds since the epoch."""
    seconds, rest = divmod(at, 1_000_000)
    return datetime.fromtimestamp(seconds, timezone.utc).replace(microsecond=rest)


def concatenated(tables: list[pa.Table]) -> pa.Table:
    """The rows of some tables of rows, with the columns of all of them."""
    import pyarrow as pa

    columns = merged(map(columns_of, tables))
    return pa.concat_tables([in_columns(table, columns) for table in tables])


def rows_table(records: Sequence[CaptureRecord], times: frozenset[str]) -> pa.Table:
    """One row for each row of the requests; a request of which no row is known gives one for each answer, or one.

    :param times: columns of the requests that hold times.
    """
    import pyarrow as pa

    counts = [max(len(record.rows), len(record.predictions or ()), 1) for record in records]
    raw: list[Mapping[str, Any]] = []
    predictions: list[float | None] = []
    for record, count in zip(records, counts, strict=True):
        raw += _padded(record.rows, count, {})
        predictions += _padded(record.predictions or (), count, None)
    places = pa.array(np.repeat(np.arange(len(records)), counts))
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    own: dict[str, list[Any]] = {
        "_inference_id": [record.inference_id for record in records],
        "_event_id": [record.event_id for record in records],
        "_at": [record.at for record in records],
        "_variant": [record.variant for record in records],
        "_role": [record.role for record in records],
        "_chosen": [record.chosen for record in records],
        "_deployment": [_bounded(record.deployment) for record in records],
        "_status": [_bounded(record.status) for record in records],
        "_latency_ms": [record.latency_ms for record in records],
    }
    made: dict[str, Any] = {
        name: values_array(own[name])
        if kind in ("string", "double")
        else pa.array(own[name], arrow_type(kind))
        for name, kind in OWN.items()
        if name in own
    }
    made = {name: array.cast(arrow_type(OWN[name])).take(places) for name, array in made.items()}
    made["_row"] = pa.array(np.arange(len(raw)) - starts, pa.int64())
    made["_prediction"] = values_array(predictions).cast(pa.float64())
    names = dict.fromkeys(name for row in raw for name in row)
    columns = {
        stored_name(name): values_array([row.get(name) for row in raw], time=name in times) for name in names
    }
    return pa.table({name: made[name] for name in OWN} | columns)


def _padded(values: Sequence[Any], count: int, filler: Any) -> list[Any]:
    return [*values, *([filler] * (count - len(values)))]


def _bounded(number: int) -> int:
    """As far as 64 bits go."""
    return max(-_MOST, min(number, _MOST))


def _groups(batches: list[_Batch]) -> Iterator[list[_Batch]]:
    """The batches of each file."""
    group: list[_Batch] = []
    rows = 0
    for batch in batches:
        if group and rows + batch.table.num_rows > MOST_ROWS:
            yield group
            group, rows = [], 0
        group.append(batch)
        rows += batch.table.num_rows
    if group:
        yield group
