"""A Delta Lake table as a dataset version: the number of the table's version and its files, none of them copied."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from airflow_mlops.core.data.delta_log import Logged, LoggedFile, read_log
from airflow_mlops.core.data.erasures import refuse_erased
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.fetching import fetch_object, in_order, sweep_arriving, take_in
from airflow_mlops.core.data.files import LocalFile, check_columns
from airflow_mlops.core.data.named import check_label, named_columns
from airflow_mlops.core.data.object_versions import NULL_VERSION, NotPinnable
from airflow_mlops.core.data.profile import Subject, count, describe, files_of, merged_schema, scan_all
from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.source import DataRoot, FolderRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.table_part import TablePart, pack_schema
from airflow_mlops.core.data.version import DataFile, DatasetVersion, TableRef, dataset_key, restriction
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep_first

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

_ID_DIGITS = 24


def snapshot_table(
    store: Store, root: DataRoot, spec: ModelSpec, window: Window, progress: Progress = ignore
) -> DatasetVersion:
    """Pin the newest version of the spec's table.

    Files stay where they are: the dataset version names each by its path, its hash and, in a versioned bucket, by
    S3's version of it. The log says which files can't hold a row in the window: they are neither read nor pinned, so
    a version with a closed window keeps its id when later rows are written. Writing other files for the same rows
    (``OPTIMIZE``) makes another version.

    :raises PlatformError: without the extra ``delta``.
    :raises DataError: if there is no such table, it can't be read, no row lies in the window, or a column that the
        spec names is missing.
    """
    table = read_log(root, spec.data.delta or "", spec.data.event_time)
    place = f"version {table.version} of Delta table {table.folder} below {root.uri}"
    check_columns({spec.data.event_time: "data.event_time", **named_columns(spec)}, table.schema.names, place)
    files = [file for file in table.files if file.may_hold(window)]
    progress(f"{place}: {len(files):,} of {len(table.files):,} files may hold rows in the window")
    _check_files(table, files, window, place)
    version_id = _identify(root, spec, window, table, files)
    key = dataset_key(spec.name, version_id)
    if store.exists(key):
        progress(f"{spec.name}@{version_id} is there already")
        return load_version(store, spec.name, version_id, root=root)
    versions = _object_versions(root, table.folder)
    subject = Subject(spec.name, "delta", spec.data.event_time, window, place, spec.data.restricted)
    with closing(_on_this_machine(root, table, files, versions)) as local:
        scans = scan_all(subject, local, len(files), progress)
    refuse_erased(store, spec.name, files_of(scans, versions), root.uri)
    columns = count(subject, scans, merged_schema(scans), progress)
    check_label(spec.data.label, columns, sum(scan.inside for scan in scans))
    version = describe(subject, version_id, scans, columns, root=root.uri, version_ids=versions)
    logged = {file.path: file for file in files}
    reference = TableRef(
        folder=table.folder, id=table.id, version=table.version, columns=pack_schema(table.schema)
    )
    pinned = tuple(_pinned(store, file, logged[file.source]) for file in version.files)
    made = version.model_copy(update={"files": pinned, "table": reference})
    return keep_first(store, key, made).bound(root)


def _check_files(table: Logged, files: Sequence[LoggedFile], window: Window, place: str) -> None:
    if not table.files:
        raise DataError(f"data set is empty: no row in {place}", given="a table without files")
    if not files:
        raise DataError(
            f"no row of {place} has its event time in the window",
            given=f"{len(table.files):,} files with rows outside of {window}",
            expected="at least one row inside",
        )


def _object_versions(root: DataRoot, folder: str) -> dict[str, str | None]:
    """S3's versions of the table's files, where the bucket keeps versions."""
    if not isinstance(root, S3Root):
        return {}
    try:
        found = root.versions(f"{folder}/**/*.parquet")
    except NotPinnable:
        return {}
    return {one.path: one.version_id for one in found if one.version_id != NULL_VERSION}


def _on_this_machine(
    root: DataRoot, table: Logged, files: Sequence[LoggedFile], versions: Mapping[str, str | None]
) -> Generator[tuple[LocalFile, str | None], None, None]:
    """The files, in place or from the cache, with what the log says of them."""
    if isinstance(root, FolderRoot):
        for file in files:
            yield LocalFile(file.path, root.local(file.path), "delta", _part(table, file)), None
        return

    def fetch(file: LoggedFile) -> tuple[LocalFile, str]:
        version_id = versions.get(file.path)
        if isinstance(root, S3Root) and version_id:
            path, sha256 = fetch_object(root, file.path, version_id)
        else:
            path, sha256 = take_in(lambda to: root.fetch(file.path, to))
        return LocalFile(file.path, path, "delta", _part(table, file)), sha256

    sweep_arriving()
    with closing(in_order(fetch, files)) as fetched:
        yield from fetched


def _part(table: Logged, file: LoggedFile) -> TablePart:
    return TablePart(table.schema, file.partition, file.deleted)


def _pinned(store: Store, file: DataFile, logged: LoggedFile) -> DataFile:
    deleted = put_bytes(store, logged.deleted) if logged.deleted else None
    return file.model_copy(update={"partition": logged.partition, "deleted": deleted})


def _identify(
    root: DataRoot, spec: ModelSpec, window: Window, table: Logged, files: Sequence[LoggedFile]
) -> str:
    """The hash of what the log pins: a data file is never written again under its name.

    The number of the table's version is no part of it: later writes may leave these files alone.
    """
    pinned = {
        "format": "delta",
        "event_time": spec.data.event_time,
        "since": window.since.isoformat() if window.since else None,
        "until": window.until.isoformat() if window.until else None,
        "root": root.uri,
        "table": [table.folder, table.id, pack_schema(table.schema)],
        "files": [[one.path, one.size, one.partition, _hash(one.deleted)] for one in files],
        **restriction(spec.data.restricted),
    }
    canonical = json.dumps(pinned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _hash(data: bytes) -> str | None:
    return hashlib.sha256(data).hexdigest() if data else None
