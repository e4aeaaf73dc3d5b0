"""Predictions, read back: each row of the source once, by its newest scoring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.errors import KeyMissing, RegistryError
from airflow_mlops.core.scoring.record import ADDED, FILE, Partition, Scored, predictions_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.arrival import sweep
from airflow_mlops.core.store.blobs import hash_file
from airflow_mlops.core.store.cache import cache_dir

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Part:
    """A file of an entry.

    :param newer: entries that have taken the place of some of its rows.
    """

    entry: Scored
    partition: Partition
    newer: Sequence[Scored]


@dataclass(frozen=True)
class Current:
    """The predictions that count.

    :param schema: of all batches.
    :param batches: the rows and their day, day by day; can be gone through once.
    """

    schema: pa.Schema
    batches: Iterator[tuple[date, pa.RecordBatch]]


def read_predictions(
    store: Store,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    version: int | None = None,
) -> pa.Table:
    """As :func:`current_predictions`, as one table in memory."""
    import pyarrow as pa

    found = current_predictions(store, model, since, until, version=version)
    return pa.Table.from_batches((batch for _, batch in found.batches), schema=found.schema)


def current_predictions(
    store: Store,
    model: str,
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    version: int | None = None,
) -> Current:
    """The predictions for rows with ``since <= event time < until``, day by day, each row of the source once.

    What counts is the newest scoring by the time of its run, ``_scored_at``, so a backfill of an old period does not
    take the place of what was said later. A row that its newest scoring has set aside is not there. Columns that an
    entry does not have are null. Memory is that of a batch.

    :param since, until: a time without a zone is taken as UTC; None is open.
    :param version: only what this version predicted; None for all, the fallback rule too.
    :raises RegistryError: if nothing was ever scored (by this version).
    :raises KeyMissing, IntegrityError: if a file is gone or changed; the batches do so, too.
    """
    window = Window(since, until)
    newest_first = _entries(store, model, version)
    parts = list(_parts(newest_first, window))
    schema = _schema(store, parts or [_Part(newest_first[0], newest_first[0].partitions[0], ())])
    rows = ((part.partition.day, batch) for part in parts for batch in _counting(store, part, window, schema))
    return Current(schema, rows)


def _entries(store: Store, model: str, version: int | None) -> list[Scored]:
    """The scorings, newest first. :raises RegistryError: if there is none."""
    numbered = [
        (number, entry)
        for number, entry in predictions_log(store, model).entries()
        if version is None or entry.version == version
    ]
    if not numbered:
        by = "" if version is None else f" by version {version}"
        raise RegistryError(f"nothing of {model} was scored{by}", remedy=f"run the DAG {model}.score")
    numbered.sort(key=lambda one: (one[1].scored_at, one[0]), reverse=True)
    return [entry for _, entry in numbered]


def _parts(newest_first: Sequence[Scored], window: Window) -> Iterator[_Part]:
    """The files that have rows of a window which count: day by day, older scorings of a day first."""
    by_day: dict[date, dict[int, Partition]] = {}
    for place, entry in enumerate(newest_first):
        for one in entry.partitions:
            if _touches(window, one.day):
                by_day.setdefault(one.day, {})[place] = one
    for day, partitions in sorted(by_day.items()):
        about = [entry for entry in newest_first if _touches(Window(entry.since, entry.until), day)]
        places = {id(entry): place for place, entry in enumerate(about)}
        for place, partition in sorted(partitions.items(), reverse=True):
            entry = newest_first[place]
            newer = about[: places[id(entry)]]
            if not _is_replaced(entry, newer, day):
                yield _Part(entry, partition, newer)


def _touches(window: Window, day: date) -> bool:
    """Whether some time of a day lies in a window."""
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    after = window.since is not None and window.since >= start + _DAY
    before = window.until is not None and window.until <= start
    return not after and not before


def _is_replaced(entry: Scored, newer: Iterable[Scored], day: date) -> bool:
    """Whether newer entries have taken the place of all that an entry says of a day: its file need not be read."""
    left = set(entry.sources)
    start = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    since = max(start, entry.since or start)
    until = min(start + _DAY, entry.until or start + _DAY)
    for one in newer:
        if (one.since is None or one.since <= since) and (one.until is None or until <= one.until):
            left.difference_update(one.sources)
            if not left:
                return True
    return False


def _schema(store: Store, parts: Sequence[_Part]) -> pa.Schema:
    """The columns of all entries: those of the source first, then ours."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    firsts = {id(part.entry): part.partition for part in reversed(parts)}
    whole = pa.unify_schemas(
        [pq.read_schema(_local(store, one)) for one in firsts.values()], promote_options="permissive"
    )
    theirs = [name for name in whole.names if name not in ADDED]
    return pa.schema([whole.field(name) for name in (*theirs, *ADDED)])


def _counting(store: Store, part: _Part, window: Window, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(_local(store, part.partition)) as parquet:
        for batch in parquet.iter_batches():
            found = batch.filter(_counts(batch, part, window))
            if len(found):
                columns = [
                    found.column(field.name).cast(field.type)
                    if field.name in found.schema.names
                    else pa.nulls(len(found), field.type)
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _counts(batch: pa.RecordBatch, part: _Part, window: Window) -> pa.Array:
    """Which rows of a batch lie in the window, and in no newer scoring."""
    import pyarrow as pa
    import pyarrow.compute as pc

    times, sources = batch.column(part.entry.event_time), batch.column(FILE)
    counts = window.mask(times)
    for newer in part.newer:
        its = pc.is_in(sources, value_set=pa.array(newer.sources, pa.string()))
        counts = pc.and_not(counts, pc.and_(its, Window(newer.since, newer.until).mask(times)))
    return counts


def _local(store: Store, partition: Partition) -> Path:
    """A file of predictions on this machine, its content checked.

    :raises KeyMissing, IntegrityError: if it is gone or changed.
    """
    path = cache_dir() / "predictions" / partition.sha256[:2] / partition.sha256
    if not path.is_file() or hash_file(path) != partition.sha256:
        sweep(path.parent, ".*.part")
        try:
            store.download(partition.key, path, partition.sha256)
        except KeyMissing:
            raise KeyMissing(
                f"predictions {partition.key} are gone from {store.uri}", remedy="restore them from a backup"
            ) from None
    return path
