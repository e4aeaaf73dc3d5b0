"""The ends of Parquet files: how many rows they hold, and of which time, without reading any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import to_utc
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.data.footer import footer_of
from airflow_mlops.core.data.source import DataRoot, FolderRoot, SourceFile
from airflow_mlops.core.data.source_s3 import S3Root

if TYPE_CHECKING:
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class RowGroup:
    """What the footer says of a row group.

    :param labelled: rows with a label; all of them where the footer has no statistics.
    :param first, last: range of its event times; None where it is not known.
    """

    labelled: int
    first: datetime | None
    last: datetime | None

    def labelled_from(self, moment: datetime) -> float | None:
        """About how many labelled rows have an event at ``moment`` or later, as if spread evenly over the range."""
        if self.first is None or self.last is None:
            return None
        if self.first >= moment:
            return float(self.labelled)
        if self.last < moment:
            return 0.0
        return self.labelled * ((self.last - moment) / (self.last - self.first))


def row_groups(
    root: DataRoot, files: Iterable[SourceFile], *, event_time: str, label: str
) -> Iterator[tuple[SourceFile, tuple[RowGroup, ...] | None]]:
    """The row groups of each file; None for a file that is not whole, or no Parquet.

    :param event_time: the column of event times; ``label``: that of the ground truth.
    :raises DataError: if the root can't be read.
    """
    listed = list(files)
    with closing(in_order(lambda file: _footer(root, file), listed)) as footers:
        for file, footer in zip(listed, footers, strict=True):
            yield file, None if footer is None else _groups(footer, event_time, label)


def _footer(root: DataRoot, file: SourceFile) -> pq.FileMetaData | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if isinstance(root, S3Root):
        return footer_of(lambda count: root.tail(file.path, count)) if file.size else None
    if not isinstance(root, FolderRoot):
        return None
    try:
        return pq.read_metadata(root.local(file.path))
    except pa.ArrowInvalid:
        return None


def _groups(footer: pq.FileMetaData, event_time: str, label: str) -> tuple[RowGroup, ...]:
    names = {footer.schema.column(place).path: place for place in range(footer.num_columns)}
    found = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        labels = _statistics(group, names.get(label))
        times = _statistics(group, names.get(event_time))
        nulls = labels.null_count if labels is not None and labels.has_null_count else 0
        first, last = _range(times)
        found.append(RowGroup(group.num_rows - nulls if label in names else 0, first, last))
    return tuple(found)


def _statistics(group: Any, place: int | None) -> Any:
    return None if place is None else group.column(place).statistics


def _range(statistics: Any) -> tuple[datetime | None, datetime | None]:
    import pyarrow as pa

    if statistics is None or not statistics.has_min_max or not isinstance(statistics.min, (date, str)):
        return None, None
    try:
        first, last = to_utc(pa.array([statistics.min, statistics.max])).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, AttributeError):
        return None, None  # no times: the snapshot says so
    return first, last
