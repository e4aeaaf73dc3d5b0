"""Dataset versions, read back: their rows come from the pinned bytes only, and the hashes are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.arrow_types import type_named
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.fetching import blob_cache, in_order
from airflow_mlops.core.data.files import (
    LocalFile,
    batches,
    check_columns,
    file_schema,
    merge_schemas,
)
from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.pinned import pinned_file
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.table_part import part_of
from airflow_mlops.core.data.version import DataFile, DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.chain import note_read
from airflow_mlops.core.store.results import read_kept

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Rows:
    """Rows of a version in the order of their event times, and where each one lies.

    :param frame: the rows, with a plain index from 0.
    :param file: for each row, the index of its file in ``version.files``.
    :param row: for each row, its index within that file, from 0.
    """

    frame: pd.DataFrame
    file: npt.NDArray[np.int32]
    row: npt.NDArray[np.int64]


def load_version(
    store: Store, name: str, version_id: str, *, root: DataRoot | None = None, progress: Progress = ignore
) -> DatasetVersion:
    """A dataset version.

    One that is only pinned is read now, to know what is in it: once, for everybody.

    :param root: where the objects are read from that the version pins without a copy in the store; only its client
        counts, since a version names its own place.
    :raises DataError: if there is no such version; or, if it is only pinned, as
        :func:`~airflow_mlops.core.data.profile.profile` does.
    """
    from airflow_mlops.core.data.profile import profile

    version = read_kept(store, dataset_key(name, version_id), DatasetVersion)
    if version is None:
        pin = read_kept(store, pin_key(name, version_id), Pin)
        if pin is None:
            raise DataError(
                f"dataset version {name}@{version_id} is not in {store.uri}", remedy="take a snapshot first"
            )
        version = profile(store, root, pin, progress)
    return version.bound(root)


def read_frame(store: Store, version: DatasetVersion, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of a version, in the order of their event times; rows of the same time keep the order of the
    files.

    Times with a zone and the event time are in UTC, decimals are floats, missing values are NaN, None or NaT.

    :param columns: read these only, in this order; all without any.
    :raises DataError: if a column is not in the version.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    return read_rows(store, version, columns).frame


def read_rows(store: Store, version: DatasetVersion, columns: Sequence[str] | None = None) -> Rows:
    """As :func:`read_frame`, with the place of each row."""
    import numpy as np
    import pyarrow as pa

    names = (
        list(dict.fromkeys(columns)) if columns is not None else [column.name for column in version.columns]
    )
    schema = _schema(store, version, [*names, version.event_time])
    window = Window(version.since, version.until)
    parts, files, rows = [], [], []
    for number, start, batch in _all_batches(store, version, schema):
        inside = window.mask(batch.column(version.event_time))
        parts.append(batch.filter(inside))
        found = np.flatnonzero(inside.to_numpy(zero_copy_only=False)) + start
        rows.append(found)
        files.append(np.full(len(found), number, dtype=np.int32))
    table = pa.Table.from_batches(parts, schema=schema)
    file, row = np.concatenate(files), np.concatenate(rows)
    times = table.column(version.event_time).cast(pa.int64()).to_numpy()
    if (np.diff(times) < 0).any():
        order = np.argsort(times, kind="stable")
        table, file, row = table.take(order), file[order], row[order]
    return Rows(_to_pandas(table.select(names)), file, row)


def read_batches(
    store: Store, version: DatasetVersion, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of a version in batches of bounded size, in the order of the files: memory is that of a batch.

    :param columns: read these only, in this order; all without any.
    :raises DataError: if a column is not in the version.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    names = (
        list(dict.fromkeys(columns)) if columns is not None else [column.name for column in version.columns]
    )
    for _, _, batch in read_numbered(store, version, names):
        yield batch


def read_numbered(
    store: Store, version: DatasetVersion, columns: Sequence[str]
) -> Iterator[tuple[int, npt.NDArray[np.int64], pa.RecordBatch]]:
    """As :func:`read_batches`, with the file's index in ``version.files`` and each row's index within that file."""
    import numpy as np

    schema = _schema(store, version, [*columns, version.event_time])
    window = Window(version.since, version.until)
    for number, start, batch in _all_batches(store, version, schema):
        mask = window.mask(batch.column(version.event_time))
        inside = batch.filter(mask)
        if len(inside):
            yield number, np.flatnonzero(mask.to_numpy(zero_copy_only=False)) + start, inside.select(columns)


def local_parquet(store: Store, version: DatasetVersion) -> tuple[Path, ...]:
    """One Parquet file on this machine for each of ``version.files``, for engines that read Parquet themselves.

    It has all rows of the file in their order, also those outside of the version's window, with the columns and types
    that the version is read with. A pinned file that is such already is handed out as it is; of others a copy is
    made once in the cache.

    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    import pyarrow.parquet as pq

    files = local_files(store, version)
    schema = schema_of(version, files)
    paths = []
    for local in files:
        as_it_is = local.is_plain_parquet and pq.read_schema(local.path).remove_metadata().equals(schema)
        paths.append(local.path if as_it_is else as_parquet(local, schema, version.event_time))
    return tuple(paths)


def local_files(store: Store, version: DatasetVersion) -> tuple[LocalFile, ...]:
    """The pinned files as they are, on this machine, each hashed once.

    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    with closing(_all_local(store, version)) as files:
        return tuple(files)


def as_parquet(local: LocalFile, schema: pa.Schema, event_time: str) -> Path:
    """A copy of a file as Parquet with this schema, made once: its name says what it is made of."""
    import pyarrow.parquet as pq

    from airflow_mlops.core.data.landing import landing

    told = hashlib.sha256(f"{local.content} {event_time} {schema.to_string()}".encode()).hexdigest()
    path = blob_cache().parent / "parquet" / f"{told}.parquet"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with landing(path) as aside, pq.ParquetWriter(aside, schema) as writer:
            for batch in batches(local, schema, event_time):
                writer.write_batch(batch)
    return path


def read_places(
    store: Store, version: DatasetVersion, places: dict[int, npt.NDArray[np.int64]]
) -> Iterator[tuple[int, npt.NDArray[np.int64], pa.RecordBatch]]:
    """Whole rows by their place, in batches of bounded size.

    :param places: for each file's index, the indices of rows within the file, rising.
    :return: file index, the row indices, and those rows with the types of the version.
    """
    import numpy as np
    import pyarrow as pa

    schema = _schema(store, version, [column.name for column in version.columns])
    for number, wanted in sorted(places.items()):
        start = 0
        for batch in batches(local_file(store, version, version.files[number]), schema, version.event_time):
            low, high = np.searchsorted(wanted, [start, start + len(batch)])
            if high > low:
                yield number, wanted[low:high], batch.take(pa.array(wanted[low:high] - start))
            start += len(batch)


def _all_batches(
    store: Store, version: DatasetVersion, schema: pa.Schema
) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    with closing(_all_local(store, version)) as files:
        for number, local in enumerate(files):
            start = 0
            for batch in batches(local, schema, version.event_time):
                yield number, start, batch
                start += len(batch)


def _all_local(store: Store, version: DatasetVersion) -> Generator[LocalFile, None, None]:
    """All files of a version; the next ones are fetched and hashed while one is read."""
    _note(store, version)
    return in_order(partial(local_file, store, version), version.files)


def _schema(store: Store, version: DatasetVersion, names: Sequence[str]) -> pa.Schema:
    """The types of some columns as the version is read. :raises DataError: for an unknown column."""
    import pyarrow as pa

    known = [column.name for column in version.columns]
    check_columns(dict.fromkeys(names, "asked for"), known, f"dataset version {version.name}@{version.id}")
    wanted = dict.fromkeys(names)
    told = {column.name: type_named(column.type) for column in version.columns if column.name in wanted}
    if all(told.values()):
        return pa.schema([(name, told[name]) for name in wanted])
    whole = schema_of(version, local_files(store, version))
    return pa.schema([whole.field(name) for name in wanted])


def schema_of(version: DatasetVersion, files: Sequence[LocalFile]) -> pa.Schema:
    """The columns and types that a version is read with.

    :param files: its files on this machine; they are opened only if a type is nested.
    """
    import pyarrow as pa

    types = {column.name: type_named(column.type) for column in version.columns}
    if not all(types.values()):
        merged = merge_schemas([(file.source, file_schema(file, version.event_time)) for file in files])
        types = dict(zip(merged.names, merged.types, strict=True))
    return pa.schema([(column.name, types[column.name]) for column in version.columns])


def local_file(store: Store, version: DatasetVersion, file: DataFile) -> LocalFile:
    """A pinned file on this machine. :raises KeyMissing, IntegrityError: naming the file."""
    _note(store, version)
    part = part_of(store, version.table, file) if version.table else None
    return LocalFile(file.source, pinned_file(store, version, file), version.format, part)


def _note(store: Store, version: DatasetVersion) -> None:
    """Note in the audit log who reads restricted rows, before they are read."""
    if version.restricted:
        note_read(store, dataset_key(version.name, version.id))


def _to_pandas(table: Any) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
    return frame
