"""From files below a data root to a dataset version: exact bytes, stored once, and what is in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.data.delta import snapshot_table
from airflow_mlops.core.data.erasures import refuse_erased
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.fetching import in_order, sweep_arriving, take_in
from airflow_mlops.core.data.files import LocalFile, check_columns
from airflow_mlops.core.data.footer import rows_outside_of
from airflow_mlops.core.data.named import check_label, check_named, named_columns
from airflow_mlops.core.data.object_versions import NULL_VERSION, NotPinnable, ObjectVersion
from airflow_mlops.core.data.pin import Pin, make_pin, pin_key
from airflow_mlops.core.data.profile import Subject, count, describe, files_of, merged_schema, scan_all
from airflow_mlops.core.data.query import QueryRunner, snapshot_query
from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.scan import Scan, scan_outside
from airflow_mlops.core.data.source import DataRoot, FolderRoot, SourceFile
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.version import DatasetVersion, dataset_key, restriction
from airflow_mlops.core.errors import DataError, IntegrityError, KeyExists
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import blob_key, put_file
from airflow_mlops.core.store.results import keep_first

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

_ID_DIGITS = 24


def snapshot(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    query: QueryRunner | None = None,
    progress: Progress = ignore,
) -> DatasetVersion:
    """Pin the rows of the spec's source files with ``since <= event time < until`` as a dataset version.

    As :func:`pin`, and what was only pinned is read as well: the version is complete.

    :raises DataError: if there is no file or no row, a column that the spec names is missing, event times are
        missing, or the files differ in their schema.
    """
    taken = pin(store, root, spec, since=since, until=until, query=query, progress=progress)
    if isinstance(taken, DatasetVersion):
        return taken
    version = load_version(store, taken.name, taken.id, root=root, progress=progress)
    check_named(spec, version)
    return version


def pin(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    query: QueryRunner | None = None,
    progress: Progress = ignore,
) -> DatasetVersion | Pin:
    """Pin the source as it is now.

    In a versioned bucket that costs a listing: no object is read or copied, and
    :func:`~airflow_mlops.core.data.reading.load_version` makes a complete version of the pin. Elsewhere files are
    pinned by their content. Those without a row in the window are left out, so a version keeps its id when later
    batches arrive. Content that the store has is not stored again, and the same content and window give the version
    that is there. Everything is checked before anything is stored, and the manifest comes last. Memory is bounded
    by a batch, not by the data.

    :param since, until: a time without a zone is taken as UTC; None is open.
    :param query: runs the statement of a spec with ``data.query``.
    :raises DataError: as :func:`snapshot`, for what is read now.
    """
    window = Window(since, until)
    if spec.data.format == "query":
        return snapshot_query(store, query, spec, window, progress)
    if spec.data.format == "delta":
        return snapshot_table(store, root, spec, window, progress)
    if isinstance(root, S3Root):
        try:
            objects = root.versions(spec.data.place, progress)
        except NotPinnable as reason:
            progress(f"content is copied to the store: {reason}")
        else:
            return _pin_objects(store, root, spec, window, objects, progress)
    return _pin_content(store, root, spec, window, progress)


def _pin_objects(
    store: Store,
    root: S3Root,
    spec: ModelSpec,
    window: Window,
    objects: Sequence[ObjectVersion],
    progress: Progress,
) -> Pin:
    """Pin objects by their versions; the content of those that can be overwritten goes into the store."""
    unversioned = [one.path for one in objects if one.version_id == NULL_VERSION]
    if unversioned:
        progress(
            f"content of {len(unversioned):,} objects without a version of their own is copied to the store"
        )
    hashes = {}
    with closing(in_order(lambda path: _fetch(root, path, NULL_VERSION), unversioned)) as fetched:
        for path, (local, sha256) in zip(unversioned, fetched, strict=True):
            put_file(store, local)
            hashes[path] = sha256
    made = make_pin(
        spec.name,
        kind=spec.data.format,
        event_time=spec.data.event_time,
        window=window,
        root=root.uri,
        objects=objects,
        hashes=hashes,
        restricted=spec.data.restricted,
    )
    return keep_first(store, pin_key(made.name, made.id), made)


def _pin_content(
    store: Store, root: DataRoot, spec: ModelSpec, window: Window, progress: Progress
) -> DatasetVersion:
    """Pin files by their content, and look into them."""
    found = root.list(spec.data.place)
    place = f"{spec.data.place} below {root.uri}"
    data = spec.data
    subject = Subject(spec.name, data.format, data.event_time, window, place, data.restricted)
    with closing(_on_this_machine(root, found, subject)) as files:
        scans = scan_all(subject, files, len(found), progress)
    schema = merged_schema(scans)
    check_columns(named_columns(spec), schema.names, _place(scans))
    version_id = _identify(subject, scans)
    key = dataset_key(spec.name, version_id)
    refuse_erased(store, spec.name, files_of(scans))
    if store.exists(key):
        progress(f"{spec.name}@{version_id} is there already")
        return load_version(store, spec.name, version_id)
    columns = count(subject, scans, schema, progress)
    check_label(spec.data.label, columns, sum(scan.inside for scan in scans))
    for scan in scans:
        _put(store, scan)
    return keep_first(store, key, describe(subject, version_id, scans, columns))


def _on_this_machine(
    root: DataRoot, found: Sequence[SourceFile], subject: Subject
) -> Generator[tuple[LocalFile, str | None] | Scan, None, None]:
    """The files themselves, or copies in the cache under their hashes, where training finds them again.

    Of an object whose footer says that no row lies in the window nothing else is fetched.
    """
    if isinstance(root, FolderRoot):
        for source in found:
            yield LocalFile(source.path, root.local(source.path), subject.format), None
        return
    sweep_arriving()

    def bring(source: SourceFile) -> tuple[LocalFile, str | None] | Scan:
        outside = _rows_outside(root, source, subject)
        if outside is not None:
            return scan_outside(LocalFile(source.path, Path(source.path), subject.format), outside)
        path, sha256 = _fetch(root, source.path)
        return LocalFile(source.path, path, subject.format), sha256

    with closing(in_order(bring, found)) as files:
        yield from files


def _rows_outside(root: DataRoot, source: SourceFile, subject: Subject) -> int | None:
    if not isinstance(root, S3Root):
        return None
    return rows_outside_of(
        lambda count: root.tail(source.path, min(count, source.size)),
        subject.format,
        subject.event_time,
        subject.window,
    )


def _fetch(root: DataRoot, path: str, version_id: str | None = None) -> tuple[Path, str]:
    """A file in the cache, and its hash."""
    if isinstance(root, S3Root):
        return take_in(lambda to: root.fetch(path, to, version_id))
    return take_in(lambda to: root.fetch(path, to))


def _place(scans: Sequence[Scan]) -> str:
    more = f" (and {len(scans) - 1} files like it)" if len(scans) > 1 else ""
    return scans[0].file.source + more


def _identify(subject: Subject, scans: Sequence[Scan]) -> str:
    """The hash of what the version pins. The name is no part of it: it stands in the manifest's key."""
    window = subject.window
    pinned = {
        "format": subject.format,
        "event_time": subject.event_time,
        "since": window.since.isoformat() if window.since else None,
        "until": window.until.isoformat() if window.until else None,
        "files": [{"source": scan.file.source, "sha256": scan.sha256} for scan in scans],
        **restriction(subject.restricted),
    }
    canonical = json.dumps(pinned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


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
