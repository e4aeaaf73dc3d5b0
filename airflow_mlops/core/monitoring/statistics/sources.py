"""Samples of many columns, one column at a time: whatever holds the rows, memory is about that of one column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.reading import local_parquet
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
        yield column, _collected([table.column(column.name)], column) if column.name in there else None


def samples_of_batches(
    read: Callable[[str], Iterable[pa.RecordBatch]], columns: Sequence[Watched]
) -> Samples:
    """Samples of columns that are read one after the other.

    :param read: batches of all rows that have (at least) the column of this name; none have it if it is not there.
    """
    for column in columns:
        collector, found = Collector(column), False
        for batch in read(column.name):
            if column.name in batch.schema.names:
                collector.take_in(batch.column(column.name))
                found = True
        yield column, collector.sample() if found else None


def samples_of_version(
    store: Store, version: DatasetVersion, columns: Sequence[Watched], *, progress: Progress = ignore
) -> Samples:
    """Samples of a dataset version's columns, of all its rows, from its files column by column.

    Each file is fetched and its hash checked once. Files other than Parquet are written as Parquet into the cache once.

    :param version: as :func:`~airflow_mlops.core.data.reading.load_version` returns it.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    paths = local_parquet(store, version)
    there = {column.name for column in version.columns}
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


class _Rows:
    """The rows of Parquet files that lie in a window."""

    def __init__(self, paths: Sequence[Path], event_time: str, window: Window) -> None:
        self._paths, self._event_time, self._window = paths, event_time, window
        self._inside: dict[tuple[int, int], Any] = {}

    def collect(self, columns: Sequence[Watched]) -> dict[str, Collector]:
        """Collect some columns in one pass."""
        collectors = {column.name: Collector(column) for column in columns}
        for number, path in enumerate(self._paths):
            for start, batch in self._batches(number, path, list(collectors)):
                inside = self._inside[number, start]
                for name, collector in collectors.items():
                    values = batch.column(name)
                    collector.take_in(values if inside is None else values.filter(inside))
        return collectors

    def _batches(self, number: int, path: Path, names: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Batches with their first row; which rows of them lie in the window is found in the first pass."""
        import pyarrow.parquet as pq
        from pyarrow import types

        schema = pq.read_schema(path)
        text = [name for name in names if types.is_string(schema.field(name).type)]
        told = (number, 0) in self._inside
        wanted = list(dict.fromkeys(names if told else [*names, self._event_time]))
        with pq.ParquetFile(path, read_dictionary=text) as parquet:
            start = 0
            for batch in parquet.iter_batches(_BATCH, columns=wanted, use_threads=False):
                if not told:
                    self._inside[number, start] = self._mask(batch.column(self._event_time))
                yield start, batch
                start += len(batch)

    def _mask(self, times: pa.Array[Any]) -> Any:
        """Which rows lie in the window; None when all do."""
        import pyarrow.compute as pc

        inside = self._window.mask(times)
        return None if pc.all(inside).as_py() else inside


def _collected(parts: Iterable[Any], column: Watched) -> Sample:
    collector = Collector(column)
    for part in parts:
        collector.take_in(part)
    return collector.sample()
