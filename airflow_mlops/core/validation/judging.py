"""All expectations on one version: in a query where that is possible, else in Great Expectations; and the bad rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.columns import columns_of
from airflow_mlops.core.validation.dropping import Dropped
from airflow_mlops.core.validation.engine import judge_in_memory
from airflow_mlops.core.validation.first_rows import FirstRows
from airflow_mlops.core.validation.found import Found
from airflow_mlops.core.validation.marks import Marks, joined, marked_rows
from airflow_mlops.core.validation.pushdown import Pushdown, bad_rows, push, settle
from airflow_mlops.core.validation.quarantine import Quarantine, quarantine
from airflow_mlops.core.validation.suite import Planned
from airflow_mlops.core.validation.table import Table, open_table

if TYPE_CHECKING:
    import pyarrow as pa


#: Rows of more columns than this are read by Arrow.
_WIDE = 1000


@dataclass(frozen=True)
class Tested:
    """What the expectations found.

    :param found: in the order of the expectations.
    :param in_memory: numbers of those that Great Expectations judged.
    :param quarantine: hash of the blob with the bad rows, None when there are none.
    :param rows: how many are in it.
    :param dropped: those that are to be dropped.
    """

    found: tuple[Found, ...] = ()
    in_memory: frozenset[int] = frozenset()
    quarantine: str | None = None
    rows: int = 0
    dropped: Dropped = field(default_factory=Dropped)


def judge_all(
    store: Store,
    version: DatasetVersion,
    planned: Sequence[Planned],
    *,
    in_memory: bool,
    progress: Progress,
) -> Tested:
    """Test the expectations and set the rows that broke a failed one aside.

    :param in_memory: leave all of them to Great Expectations.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    if in_memory:
        return _test(store, version, planned, None, progress)
    with open_table(store, version) as table:
        return _test(store, version, planned, table, progress)


def _test(
    store: Store, version: DatasetVersion, planned: Sequence[Planned], table: Table | None, progress: Progress
) -> Tested:
    work = push(table, planned) if table else _all_left(version, planned)
    pushed = len(planned) - len(work.left)
    progress(
        f"{version.rows:,} rows of {version.name}@{version.id}: "
        f"{pushed} of {len(planned)} expectations in one query, {len(work.left)} in Great Expectations"
    )
    if work.left:
        _judge_left(store, version, work)
    reasons = {number: f"{one.severity}: {one.name}" for number, one in enumerate(planned)}
    drops = tuple(number for number, one in enumerate(planned) if one.severity == "drop")
    dropped = Dropped(drops)
    with quarantine(version, reasons) as aside:
        _settle(store, version, work, table, aside, dropped)
        blob = aside.store(store)
    found = tuple(work.found[number] for number in range(len(planned)))
    return Tested(found, frozenset(work.left), blob, aside.rows, dropped)


def _all_left(version: DatasetVersion, planned: Sequence[Planned]) -> Pushdown:
    return Pushdown(planned, columns_of(version), version.rows, left=list(range(len(planned))))


def _judge_left(store: Store, version: DatasetVersion, work: Pushdown) -> None:
    judged = judge_in_memory(store, version, [work.planned[number] for number in work.left])
    for number, (found, places) in zip(work.left, judged, strict=True):
        work.found[number] = found
        if len(places[0]):
            work.places[number] = places


def _settle(
    store: Store,
    version: DatasetVersion,
    work: Pushdown,
    table: Table | None,
    aside: Quarantine,
    dropped: Dropped,
) -> None:
    """Count the bad rows and set them aside.

    They come whole out of the query, unless they are so wide that DuckDB's vectors of them would fill the memory: then
    the query says which ones they are, and Arrow reads them.
    """
    columns = [one.name for one in version.columns]
    if table and len(columns) <= _WIDE:
        for marks, batch in _counted(work, version, bad_rows(table, work, columns), dropped):
            aside.add(marks, batch)
        return
    marks = work.marks()
    if table:
        needed = {name for number in work.judged for name in work.planned[number].columns}
        narrow = [name for name in columns if name in needed or name == version.event_time]
        parts = [part for part, _ in _counted(work, version, bad_rows(table, work, narrow), dropped)]
        marks = joined(parts, len(work.planned))
    for part, batch in marked_rows(store, version, marks):
        if not table:
            dropped.update(part)
        aside.add(part, batch)


def _counted(
    work: Pushdown,
    version: DatasetVersion,
    rows: Iterator[tuple[Marks, pa.RecordBatch]],
    dropped: Dropped,
) -> Iterator[tuple[Marks, pa.RecordBatch]]:
    """The bad rows, counted as they stream by; afterwards every expectation has its result."""
    import pyarrow as pa

    first = {
        number: FirstRows([work.columns[name] for name in work.planned[number].columns])
        for number in work.judged
        if number not in work.found
    }
    for marks, batch in rows:
        times = batch.column(version.event_time).cast(pa.int64()).to_numpy()
        for number, one in first.items():
            one.update(marks.broke(number), times, marks, batch)
        dropped.update(marks)
        yield marks, batch
    for number, one in first.items():
        work.found[number] = settle(work, number, one)
