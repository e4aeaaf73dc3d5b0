"""Samples of many columns, one column at a time: whatever holds the rows, memory is about that of one column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import Window, to_utc
from airflow_mlops.core.data.reading import as_parquet, local_files, schema_of
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.monitoring.columns import Watched
from airflow_mlops.core.monitoring.sample import Sample
from airflow_mlops.core.monitoring.statistics.reading import Collector, sample_of_series
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Each column with its sample, in the order that was asked for; None where there is no such column.
Samples = Iterator[tuple[Watched, Sample | None]]
#: Cells that are read in one pass over the files: columns of small data are read together.
_CELLS = 4_000_000
_BATCH = 1 << 18


def samples_of_frame(frame: pd.DataFrame, columns: Sequence[Watched]) -> Samples:
    """Samples of a frame's columns, whatever their dtypes."""
    for column in columns:
        yield column, sample_of_series(frame[column.name], column) if column.name in frame else None


def samples_of_table(table: pa.Table, columns: Sequence[Watched]) -> Samples:
    """Samples of a table's columns."""
    there = set(table.column_names)
    for column in columns:
        yield column, _collected(table.column(column.name), column) if column.name in there else None


def samples_of_batches(
    read: Callable[[str], Iterable[pa.RecordBatch]], columns: Sequence[Watched]
) -> Samples:
    """Samples of columns that are read one after the other.

    :param read: all rows in batches, of which a column of this name is needed only. In batches that lack it, it is
        missing.
    """
    import pyarrow as pa

    for column in columns:
        collector, found = Collector(column), False
        for batch in read(column.name):
            there = column.name in batch.schema.names
            collector.take_in(batch.column(column.name) if there else pa.nulls(len(batch)))
            found = found or there
        yield column, collector.sample() if found else None


def samples_of_version(
    store: Store, version: DatasetVersion, columns: Sequence[Watched], *, progress: Progress = ignore
) -> Samples:
    """Samples of a dataset version's columns, of all its rows, from its files column by column.

    Each file is fetched and its hash checked once. Of files that are no Parquet a copy as Parquet is made once, in the
    cache.

    :param version: as :func:`~airflow_mlops.core.data.reading.load_version` returns it.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    there = {column.name for column in version.columns} & {column.name for column in columns}
    paths = _parquet(store, version, there | {version.event_time})
    window = Window(version.since, version.until)
    rows = _Rows(paths, version.event_time, window)
    at_a_time = max(1, _CELLS // max(1, version.rows))
    for start in range(0, len(columns), at_a_time):
        some = columns[start : start + at_a_time]
        progress(f"reading {', '.join(column.name for column in some)} of {version.name}@{version.id[:12]}")
        known = [column for column in some if column.name in there]
        collectors = rows.collect(known)
        for column in some:
            yield column, collectors.pop(column.name).sample() if column.name in there else None


def _parquet(store: Store, version: DatasetVersion, needed: set[str]) -> tuple[Path, ...]:
    """The version's files as Parquet; a table's file that lacks a newer column, as a copy that has it.

    Types may differ from those of the version: a whole number and a float give the same sample.
    """
    import pyarrow.parquet as pq

    files = local_files(store, version)
    as_they_are = [
        file.is_plain_parquet and needed.issubset(pq.read_schema(file.path).names) for file in files
    ]
    if all(as_they_are):
        return tuple(file.path for file in files)
    schema = schema_of(version, files)
    return tuple(
        file.path if as_it_is else as_parquet(file, schema, version.event_time)
        for file, as_it_is in zip(files, as_they_are, strict=True)
    )


class _Rows:
    """The rows of Parquet files that lie in a window."""

    def __init__(self, paths: Sequence[Path], event_time: str, window: Window) -> None:
        self._paths, self._event_time, self._window = paths, event_time, window
        self._inside: dict[Path, Any] = {}

    def collect(self, columns: Sequence[Watched]) -> dict[str, Collector]:
        """Collect some columns in one pass."""
        collectors = {column.name: Collector(column) for column in columns}
        for path in self._paths if collectors else ():
            if path not in self._inside:
                self._inside[path] = self._find(path)
            inside, start = self._inside[path], 0
            for batch in _batches(path, list(collectors)):
                rows = None if inside is None else inside[start : start + len(batch)]
                start += len(batch)
                for name, collector in collectors.items():
                    values = batch.column(name)
                    collector.take_in(values if rows is None else values.filter(rows))
        return collectors

    def _find(self, path: Path) -> Any:
        """Which rows of a file lie in the window, one byte each; None when all do."""
        import numpy as np

        if self._window == Window():  # no version has a row without a time
            return None
        times = (to_utc(batch.column(0)) for batch in _batches(path, [self._event_time]))
        masks = [self._window.mask(some).to_numpy(zero_copy_only=False) for some in times]
        found = np.concatenate([np.empty(0, dtype=bool), *masks])
        return None if found.all() else found


def _batches(path: Path, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, text as dictionaries: in the file it mostly is."""
    import pyarrow.parquet as pq
    from pyarrow import types

    schema = pq.read_schema(path)
    text = [name for name in names if types.is_string(schema.field(name).type)]
    # Spark's old 96 bit times reach further than nanoseconds do
    with pq.ParquetFile(path, read_dictionary=text, coerce_int96_timestamp_unit="us") as parquet:
        yield from parquet.iter_batches(_BATCH, columns=names, use_threads=False)


def _collected(values: Any, column: Watched) -> Sample:
    collector = Collector(column)
    collector.take_in(values)
    return collector.sample()
