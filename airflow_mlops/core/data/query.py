"""The rows of a SQL query as a dataset version: stored once, as Parquet, under the hash of what they are.

A database has no order of rows and no versions, so the rows are sorted (by event time, then by all columns from left to
right) before they are hashed: the same rows are the same version, in whatever order the database returns them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from airflow_mlops.core.data.dbapi import check_names
from airflow_mlops.core.data.engine import engine, literal, quoted, stream
from airflow_mlops.core.data.erasures import refuse_erased
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import LocalFile, batches, check_columns, typed
from airflow_mlops.core.data.named import check_label, named_columns
from airflow_mlops.core.data.profile import Subject, count, describe, files_of, merged_schema, scan_all
from airflow_mlops.core.data.version import DatasetVersion, QueryRef, dataset_key, restriction
from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import hash_file, put_file
from airflow_mlops.core.store.results import keep_first

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

_ID_DIGITS = 24
#: Rows in a row group of what is stored: fixed, since the bytes are hashed.
_GROUP = 131_072
_TELL_EVERY = 1_000_000


class QueryRunner(Protocol):
    """Runs SQL somewhere: an Airflow connection, or :class:`~airflow_mlops.core.data.dbapi.Dbapi`."""

    def __call__(self, connection: str, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows in batches of bounded size, all with the same columns; their types may widen on the way.

        :param connection: which database, as ``data.connection`` of the spec names it.
        :raises DataError: if the database refuses.
        """
        ...


def snapshot_query(
    store: Store, run: QueryRunner | None, spec: ModelSpec, window: Window, progress: Progress = ignore
) -> DatasetVersion:
    """Store the rows of the spec's query whose event time lies in the window.

    The query runs once. Memory is bounded, whatever it returns: rows go to disk, are sorted there, and stored.

    :param run: runs the query; without one there is no way to the database.
    :raises PlatformError: without ``run``.
    :raises DataError: if the query fails, returns no row in the window, lacks a column that the spec names, or event
        times are missing.
    """
    sql, connection = spec.data.query or "", spec.data.connection or ""
    if run is None:
        raise PlatformError(
            f"data.query runs on the Airflow connection {connection}, and there is no Airflow",
            remedy="give snapshot a query runner, e.g. Dbapi(engine.raw_connection) of core.data.dbapi",
        )
    what = f"query on {connection}"
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        parts = _spool(run(connection, sql), spec, what, Path(folder), progress)
        rows = _sorted(parts, spec.data.event_time, window, Path(folder), what, progress)
        sha256 = hash_file(rows)
        subject = Subject(
            spec.name, "parquet", spec.data.event_time, window, f"the {what}", spec.data.restricted
        )
        file = LocalFile(f"query-{sha256[:12]}.parquet", rows, "parquet")
        scans = scan_all(subject, [(file, sha256)], 1, ignore)
        key = dataset_key(spec.name, version_id := _identify(subject, sha256))
        columns = count(subject, scans, merged_schema(scans), ignore)
        check_label(spec.data.label, columns, scans[0].inside)
        refuse_erased(store, spec.name, files_of(scans))
        put_file(store, rows)
    made = describe(subject, version_id, scans, columns)
    return keep_first(store, key, made.model_copy(update={"query": QueryRef(connection=connection, sql=sql)}))


def _spool(
    found: Iterator[pa.RecordBatch], spec: ModelSpec, what: str, folder: Path, progress: Progress
) -> list[LocalFile]:
    """The rows as they come, in Parquet files: a new one whenever the types change.

    :raises DataError: if there is no row, or a column is missing or stands twice.
    """
    import pyarrow.parquet as pq

    parts: list[LocalFile] = []
    writer, rows = None, 0
    progress(f"running the {what}")
    try:
        for batch in found:
            if not len(batch):
                continue
            if not parts:
                check_names(batch.schema.names, what)
                wanted = {spec.data.event_time: "data.event_time", **named_columns(spec)}
                check_columns(wanted, batch.schema.names, f"the {what}")
            if writer is None or writer.schema != batch.schema:
                if writer is not None:
                    writer.close()
                path = folder / f"part-{len(parts)}.parquet"
                parts.append(LocalFile(f"{what} (from row {rows:,})", path, "parquet"))
                writer = pq.ParquetWriter(path, batch.schema)
            writer.write_batch(batch)
            if rows // _TELL_EVERY != (rows + len(batch)) // _TELL_EVERY:
                progress(f"{rows + len(batch):,} rows of the {what}")
            rows += len(batch)
    finally:
        if writer is not None:
            writer.close()
    if not parts:
        raise DataError(f"data set is empty: the {what} returns no row")
    return parts


def _sorted(
    parts: Sequence[LocalFile],
    event_time: str,
    window: Window,
    folder: Path,
    what: str,
    progress: Progress,
) -> Path:
    """One Parquet file of the rows in the window, in the one order that such rows have."""
    import pyarrow.parquet as pq

    subject = Subject(what, "parquet", event_time, window, f"the {what}")
    scans = scan_all(subject, [(part, "not hashed") for part in parts], len(parts), ignore)
    schema = merged_schema(scans)
    progress(f"sorting {sum(scan.inside for scan in scans):,} rows of the {what}")
    unsorted, path = folder / "unsorted.parquet", folder / "rows.parquet"
    with pq.ParquetWriter(unsorted, schema) as writer:
        for scan in scans:
            for batch in batches(scan.file, schema, event_time):
                writer.write_batch(batch.filter(window.mask(batch.column(event_time))))
    order = ", ".join(quoted(name) for name in dict.fromkeys([event_time, *schema.names]))
    with engine() as connection, pq.ParquetWriter(path, schema) as writer:
        rows = connection.sql(f"SELECT * FROM read_parquet({literal(str(unsorted))}) ORDER BY {order}")  # noqa: S608
        for group in _groups(stream(rows, _GROUP), schema):
            writer.write_table(group, row_group_size=_GROUP)
    return path


def _groups(found: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows in tables of a fixed length; an engine cuts its batches as it likes."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    length = 0
    for batch in found:
        waiting.append(typed(batch, schema))
        length += len(batch)
        while length >= _GROUP:
            table = pa.Table.from_batches(waiting)
            yield table.slice(0, _GROUP)
            waiting, length = table.slice(_GROUP).to_batches(), length - _GROUP
    if length:
        yield pa.Table.from_batches(waiting)


def _identify(subject: Subject, sha256: str) -> str:
    """The hash of the rows and the window. The statement is no part of it: another one may return the same rows."""
    window = subject.window
    pinned = {
        "format": "query",
        "event_time": subject.event_time,
        "since": window.since.isoformat() if window.since else None,
        "until": window.until.isoformat() if window.until else None,
        "content": sha256,
        **restriction(subject.restricted),
    }
    canonical = json.dumps(pinned, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]
