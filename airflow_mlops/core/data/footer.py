"""What the footer of a Parquet file says of its event times, so that a file outside of a window need not be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import LocalFile, readable

if TYPE_CHECKING:
    import pyarrow.parquet as pq

#: Years beyond these are no event times, whatever the footer says.
_YEARS = range(1679, 2261)
#: Most footers are smaller than this; none is larger than the other.
_TAIL, _LARGEST = 64 << 10, 64 << 20


def rows_outside(file: LocalFile, event_time: str, window: Window) -> int | None:
    """The number of rows of a file, if its footer proves that none of them lies in a window; None if it does not.

    Only timestamps without a missing one count: of text and dates the file itself is asked.

    :raises DataError: if it can't be read.
    """
    import pyarrow.parquet as pq

    if (window.since is None and window.until is None) or not file.is_plain_parquet:
        return None
    with readable(file):
        return _outside(pq.read_metadata(file.path), event_time, window)


def rows_outside_of(tail: Callable[[int], bytes], kind: str, event_time: str, window: Window) -> int | None:
    """As :func:`rows_outside`, of a file that is far away.

    :param tail: the last so many bytes of the file; all, if it has fewer.
    :param kind: its format.
    """
    if (window.since is None and window.until is None) or kind != "parquet":
        return None
    footer = footer_of(tail)
    return None if footer is None else _outside(footer, event_time, window)


def footer_of(tail: Callable[[int], bytes]) -> pq.FileMetaData | None:
    """The footer of a file that is far away; None if it is no whole Parquet file: whoever reads it says what is wrong.

    :param tail: the last so many bytes of the file; all, if it has fewer.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = tail(_TAIL)
    needed = int.from_bytes(data[-8:-4], "little") + 8
    if len(data) < needed <= _LARGEST:
        data = tail(needed)
    try:
        return pq.read_metadata(pa.BufferReader(data))
    except pa.ArrowInvalid:
        return None


def _outside(metadata: pq.FileMetaData, event_time: str, window: Window) -> int | None:
    ranges = _ranges(metadata, event_time)
    if not ranges or any(_meets(low, high, window) for low, high in ranges):
        return None
    return int(metadata.num_rows)


def _ranges(metadata: pq.FileMetaData, event_time: str) -> list[tuple[datetime, datetime]]:
    """First and last event time of each row group; nothing if they are not known of all."""
    if event_time not in metadata.schema.names:
        return []
    place = metadata.schema.names.index(event_time)
    found = []
    for number in range(metadata.num_row_groups):
        column = metadata.row_group(number).column(place)
        told = column.statistics
        if (
            column.path_in_schema != event_time
            or told is None
            or not told.has_min_max
            or told.null_count != 0
        ):
            return []
        low, high = _utc(told.min), _utc(told.max)
        if low is None or high is None:
            return []
        found.append((low, high))
    return found


def _utc(value: Any) -> datetime | None:
    """A timestamp in UTC, without one in UTC, too; None for what is none."""
    if not isinstance(value, datetime) or value.year not in _YEARS:
        return None
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def _meets(low: datetime, high: datetime, window: Window) -> bool:
    before = window.since is not None and high < window.since
    after = window.until is not None and low >= window.until
    return not before and not after
