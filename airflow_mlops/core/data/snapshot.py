"""From files below a data root to a dataset version: exact bytes, stored once, and what is in them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import LocalFile, batches, check_columns, merge_schemas
from airflow_mlops.core.data.reading import blob_cache, load_version
from airflow_mlops.core.data.scan import Scan, scan_file
from airflow_mlops.core.data.source import DataRoot, FolderRoot, SourceFile
from airflow_mlops.core.data.statistics import ColumnTally
from airflow_mlops.core.data.version import Column, DataFile, DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError, IntegrityError, KeyExists
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store.arrival import sweep
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import blob_key, hash_file

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.spec import ModelSpec

_ID_DIGITS = 24
#: Objects are mostly small and far away: what takes time is waiting.
_FETCHERS = 8


def snapshot(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Progress = ignore,
) -> DatasetVersion:
    """Pin the rows of the spec's source files with ``since <= event time < until`` as a dataset version.

    Files without a row in the window are left out, so a version keeps its id when later batches arrive.
    Content that the store has is not stored again, and the same content and window give the version that is
    there. Everything is checked before anything is stored, and the manifest comes last. Memory is bounded by
    a batch, not by the data.

    :param since, until: a time without a zone is taken as UTC; None is open.
    :raises DataError: if there is no file or no row, a column that the spec names is missing, event times are
        missing, or the files differ in their schema.
    """
    window = Window(since, until)
    scans = _scan_all(root, spec, window, progress)
    schema = merge_schemas([(scan.file.source, scan.schema) for scan in scans])
    check_columns(_named_columns(spec), schema.names, _place(scans))
    version_id = _identify(spec, window, scans)
    key = dataset_key(spec.name, version_id)
    if store.exists(key):
        progress(f"{spec.name}@{version_id} is there already")
        return load_version(store, spec.name, version_id)
    columns = _statistics(scans, schema, spec.data.event_time, window, progress)
    _check_label(spec.data.label, columns, sum(scan.inside for scan in scans))
    for scan in scans:
        _put(store, scan)
    version = _describe(spec, version_id, window, scans, columns)
    try:
        store.create(key, version.to_bytes())
    except KeyExists:
        return load_version(store, spec.name, version_id)
    return version


def _scan_all(root: DataRoot, spec: ModelSpec, window: Window, progress: Progress) -> list[Scan]:
    """The files that have rows in the window. :raises DataError: if there are none."""
    found = root.list(spec.data.source or "")
    scans = []
    with closing(_on_this_machine(root, found, spec.data.format)) as files:
        for number, (source, file) in enumerate(zip(found, files, strict=True), 1):
            progress(f"reading {source.path} ({number} of {len(found)}, {source.size / 1e6:,.1f} MB)")
            scans.append(scan_file(file, spec.data.event_time, window))
    rows, what = sum(scan.rows for scan in scans), f"{spec.data.source} below {root.uri}"
    if not rows:
        raise DataError(f"data set is empty: no row in {what}", given=f"{len(found)} files without rows")
    inside = [scan for scan in scans if scan.inside]
    if not inside:
        raise DataError(
            f"no row of {what} has its event time in the window",
            given=f"{rows:,} rows outside of {window}",
            expected="at least one row inside",
        )
    return inside


def _on_this_machine(
    root: DataRoot, found: Sequence[SourceFile], kind: str
) -> Generator[LocalFile, None, None]:
    """The files themselves, or copies in the cache under their hashes, where training finds them again."""
    if isinstance(root, FolderRoot):
        for source in found:
            yield LocalFile(source.path, root.local(source.path), kind)
        return
    arriving = blob_cache() / "arriving"
    sweep(arriving, "*")
    pool = ThreadPoolExecutor(_FETCHERS)
    try:
        paths = pool.map(lambda source: _fetch(root, source.path, arriving / uuid4().hex), found)
        for source, path in zip(found, paths, strict=True):
            yield LocalFile(source.path, path, kind)
    finally:
        pool.shutdown(cancel_futures=True)


def _fetch(root: DataRoot, path: str, arriving: Path) -> Path:
    try:
        root.fetch(path, arriving)
        sha256 = hash_file(arriving)
        there = blob_cache() / sha256[:2] / sha256
        there.parent.mkdir(parents=True, exist_ok=True)
        os.replace(arriving, there)
    finally:
        arriving.unlink(missing_ok=True)
    return there


def _named_columns(spec: ModelSpec) -> dict[str, str]:
    """Every column that the spec promises, and the field that does."""
    named = dict.fromkeys(spec.features.columns, "features.columns")
    if spec.data.id:
        named[spec.data.id] = "data.id"
    return {**named, spec.data.label: "data.label"}


def _place(scans: Sequence[Scan]) -> str:
    more = f" (and {len(scans) - 1} files like it)" if len(scans) > 1 else ""
    return scans[0].file.source + more


def _identify(spec: ModelSpec, window: Window, scans: Sequence[Scan]) -> str:
    """The hash of what the version pins. The name is no part of it: it stands in the manifest's key."""
    pinned = {
        "format": spec.data.format,
        "event_time": spec.data.event_time,
        "since": window.since.isoformat() if window.since else None,
        "until": window.until.isoformat() if window.until else None,
        "files": [{"source": scan.file.source, "sha256": scan.sha256} for scan in scans],
    }
    canonical = json.dumps(pinned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _statistics(
    scans: Sequence[Scan], schema: pa.Schema, event_time: str, window: Window, progress: Progress
) -> tuple[Column, ...]:
    """Statistics of every column over the rows in the window."""
    tallies = {field.name: ColumnTally(field.name, field.type) for field in schema}
    for number, scan in enumerate(scans, 1):
        progress(f"counting {scan.file.source} ({number} of {len(scans)}, {scan.inside:,} rows)")
        for batch in batches(scan.file, schema, event_time):
            inside = batch.filter(window.mask(batch.column(event_time)))
            for name, tally in tallies.items():
                tally.update(inside.column(name))
    return tuple(tally.column() for tally in tallies.values())


def _check_label(label: str, columns: Sequence[Column], rows: int) -> None:
    nulls = next(column.nulls for column in columns if column.name == label)
    if nulls == rows:
        raise DataError(
            f"label {label} has no value in any of {rows:,} rows",
            remedy="wait for the labels, or move the window",
        )


def _put(store: Store, scan: Scan) -> None:
    """Store a file's content unless it is there.

    :raises DataError: if the file is no longer what was read.
    """
    if store.exists(blob_key(scan.sha256)):
        return
    try:
        store.upload(scan.file.path, blob_key(scan.sha256), scan.sha256)
    except KeyExists:
        pass
    except IntegrityError:
        raise DataError(
            f"{scan.file.source} changed while it was read",
            remedy="run the snapshot again when it is complete",
        ) from None


def _describe(
    spec: ModelSpec, version_id: str, window: Window, scans: Sequence[Scan], columns: tuple[Column, ...]
) -> DatasetVersion:
    return DatasetVersion(
        name=spec.name,
        id=version_id,
        format=spec.data.format,
        files=tuple(
            DataFile(source=scan.file.source, sha256=scan.sha256, size=scan.size, rows=scan.rows)
            for scan in scans
        ),
        rows=sum(scan.inside for scan in scans),
        columns=columns,
        event_time=spec.data.event_time,
        first_event=min(scan.first for scan in scans if scan.first),
        last_event=max(scan.last for scan in scans if scan.last),
        since=window.since,
        until=window.until,
        created_at=utc_now(),
    )
