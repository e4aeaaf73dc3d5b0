"""What is in the files of a dataset version: rows, schema, range of event times, statistics of every column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.data.erasures import refuse_erased
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.fetching import in_order, sweep_arriving
from airflow_mlops.core.data.files import LocalFile, batches, merge_schemas
from airflow_mlops.core.data.pin import Pin, PinnedObject
from airflow_mlops.core.data.pinned import fetcher, seer
from airflow_mlops.core.data.scan import Scan, scan_file, scan_outside
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.statistics import ColumnTally
from airflow_mlops.core.data.version import Column, DataFile, DatasetVersion, dataset_key
from airflow_mlops.core.errors import NoRows
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.results import keep_first

if TYPE_CHECKING:
    import pyarrow as pa

#: Of more files than this, not every one gets a line of progress.
_MOST_LINES = 100


@dataclass(frozen=True)
class Subject:
    """The data that are looked at.

    :param place: where they come from, for messages.
    :param restricted: whether each reading of them is noted in the audit log.
    """

    name: str
    format: str
    event_time: str
    window: Window
    place: str
    restricted: bool = False


def profile(store: Store, root: DataRoot | None, pin: Pin, progress: Progress = ignore) -> DatasetVersion:
    """Look into the objects of a pin, once: whoever comes first stores the complete version, all others find it.

    Objects without a row in the window stay pinned, and are no files of the version. Memory is that of a batch and of
    the objects' names.

    :raises DataError: if an object is gone or can't be read, no row lies in the window, event times are missing, or
        the objects differ in their schema.
    """
    window = Window(pin.since, pin.until)
    fetch, unread = fetcher(store, root, pin), seer(root, pin, window)
    objects = tuple(pin.objects())
    place = f"{len(objects):,} objects of {pin.root}"
    subject = Subject(pin.name, pin.format, pin.event_time, window, place, pin.restricted)

    def bring(one: PinnedObject) -> tuple[LocalFile, str] | Scan:
        outside = unread(one)
        if outside is not None:
            return scan_outside(LocalFile(one.source, Path(one.source), pin.format), outside)
        path, sha256 = fetch(one)
        return LocalFile(one.source, path, pin.format), sha256

    progress(f"{pin.name}@{pin.id} is read for the first time: {len(objects):,} objects of {pin.root}")
    sweep_arriving()
    with closing(in_order(bring, objects)) as files:
        scans = scan_all(subject, files, len(objects), progress)
    versions = {one.source: one.version_id for one in objects}
    refuse_erased(store, pin.name, files_of(scans, versions), pin.root)
    columns = count(subject, scans, merged_schema(scans), progress)
    version = describe(subject, pin.id, scans, columns, root=pin.root, version_ids=versions)
    return keep_first(store, dataset_key(pin.name, pin.id), version)


def scan_all(
    subject: Subject,
    files: Iterable[tuple[LocalFile, str | None] | Scan],
    total: int,
    progress: Progress,
) -> list[Scan]:
    """The files that have rows in the window.

    :param files: each one with its SHA-256, None if it is not known yet; or what is known of it without reading it.
    :param total: how many there are.
    :raises NoRows: if no file has a row in the window.
    """
    scans, rows, schemas = [], 0, dict[object, object]()
    for number, one in enumerate(files, 1):
        if isinstance(one, Scan):
            scan = one
        else:
            file, sha256 = one
            if _is_told(number, total):
                progress(f"reading {file.source} ({number:,} of {total:,})")
            scan = scan_file(file, subject.event_time, subject.window, sha256, schemas)
        rows += scan.rows
        if scan.inside:
            scans.append(scan)
    if not rows:
        raise NoRows(f"data set is empty: no row in {subject.place}", given=f"{total:,} files without rows")
    if not scans:
        raise NoRows(
            f"no row of {subject.place} has its event time in the window",
            given=f"{rows:,} rows outside of {subject.window}",
            expected="at least one row inside",
        )
    return scans


def merged_schema(scans: Sequence[Scan]) -> pa.Schema:
    """The schema that the files are read with. :raises DataError: naming a file and a column that differ."""
    return merge_schemas([(scan.file.source, scan.schema) for scan in scans])


def count(
    subject: Subject, scans: Sequence[Scan], schema: pa.Schema, progress: Progress
) -> tuple[Column, ...]:
    """Statistics of every column over the rows in the window."""
    tallies = {field.name: ColumnTally(field.name, field.type) for field in schema}
    for number, scan in enumerate(scans, 1):
        if _is_told(number, len(scans)):
            progress(f"counting {scan.file.source} ({number:,} of {len(scans):,}, {scan.inside:,} rows)")
        for batch in batches(scan.file, schema, subject.event_time):
            inside = batch.filter(subject.window.mask(batch.column(subject.event_time)))
            for name, tally in tallies.items():
                tally.update(inside.column(name))
    return tuple(tally.column() for tally in tallies.values())


def describe(
    subject: Subject,
    version_id: str,
    scans: Sequence[Scan],
    columns: tuple[Column, ...],
    *,
    root: str | None = None,
    version_ids: Mapping[str, str | None] | None = None,
) -> DatasetVersion:
    """The version of some files with these columns.

    :param root: URI below which the objects lie that are pinned by their version.
    :param version_ids: their versions, by source; the content of other files lies in the store.
    """
    return DatasetVersion(
        name=subject.name,
        id=version_id,
        format=subject.format,
        files=files_of(scans, version_ids),
        rows=sum(scan.inside for scan in scans),
        columns=columns,
        event_time=subject.event_time,
        first_event=min(scan.first for scan in scans if scan.first),
        last_event=max(scan.last for scan in scans if scan.last),
        since=subject.window.since,
        until=subject.window.until,
        created_at=utc_now(),
        root=root,
        restricted=subject.restricted,
    )


def files_of(
    scans: Sequence[Scan], version_ids: Mapping[str, str | None] | None = None
) -> tuple[DataFile, ...]:
    """The files as a version names them. :param version_ids: of :func:`describe`."""
    versions = version_ids or {}
    return tuple(
        DataFile(
            source=scan.file.source,
            sha256=scan.sha256,
            size=scan.size,
            rows=scan.rows,
            version_id=versions.get(scan.file.source),
        )
        for scan in scans
    )


def _is_told(number: int, total: int) -> bool:
    return total <= _MOST_LINES or number in (1, total) or number % (total // _MOST_LINES) == 0
