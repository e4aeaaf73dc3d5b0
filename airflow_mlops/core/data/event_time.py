"""Event times: whatever a file holds, as UTC timestamps; and the window of time that belongs to a version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.times import in_utc

if TYPE_CHECKING:
    import pyarrow as pa

EXPECTED = "timestamps, dates, or ISO 8601 strings between the years 1678 and 2261"
#: The years that nanoseconds can hold, as seconds since 1970.
_FIRST = int(datetime(1678, 1, 1, tzinfo=timezone.utc).timestamp())
_END = int(datetime(2262, 1, 1, tzinfo=timezone.utc).timestamp())
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400


def time_type() -> pa.DataType:
    """The Arrow type of event times as a version is read: microseconds in UTC."""
    import pyarrow as pa

    return pa.timestamp("us", tz="UTC")


def check_time_type(kind: pa.DataType, column: str, source: str) -> None:
    """Refuse a column that can't hold event times. :raises DataError: naming the file and the column."""
    from pyarrow import types

    base = kind.value_type if types.is_dictionary(kind) else kind
    accepted = (types.is_timestamp, types.is_date, types.is_string, types.is_large_string, types.is_null)
    if not any(accepts(base) for accepts in accepted):
        raise DataError(
            f"event_time column {column} of {source} holds no times", given=f"type {kind}", expected=EXPECTED
        )


def to_utc(values: Any) -> Any:
    """Event times as Arrow timestamps in UTC; a time without a zone is taken as UTC, what is no time is null.

    :param values: an Arrow array of timestamps, dates or strings.
    """
    import pyarrow as pa
    from pyarrow import types

    kind = values.type
    if types.is_dictionary(kind):
        return to_utc(values.cast(kind.value_type))
    if types.is_string(kind) or types.is_large_string(kind):
        import pandas as pd

        parsed = pd.to_datetime(values.to_pandas(), utc=True, format="ISO8601", errors="coerce")
        return pa.Array.from_pandas(parsed).cast(time_type(), safe=False)
    values = _in_range(values)
    if types.is_date(kind):
        values = values.cast(pa.timestamp("us"))
    if values.type == pa.timestamp("us", tz="UTC"):
        return values
    micros = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False)
    return micros.cast(time_type())


def _in_range(values: Any) -> Any:
    """Timestamps or dates, null where their year is none that a feature or a Python time could hold."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_null(values.type):
        return values
    if types.is_date32(values.type):
        numbers, first, end = values.cast(pa.int32()), _FIRST // _DAY, _END // _DAY
    else:
        numbers, unit = values.cast(pa.int64()), getattr(values.type, "unit", "ms")
        first, end = _FIRST * _PER_SECOND[unit], _END * _PER_SECOND[unit]
    found = pc.min_max(numbers)
    low, high = found["min"].as_py(), found["max"].as_py()
    if low is None or (low >= first and high < end):
        return values
    inside = pc.and_(pc.greater_equal(numbers, first), pc.less(numbers, end))
    return pc.if_else(inside, values, pa.scalar(None, values.type))


@dataclass(frozen=True)
class Window:
    """Event times ``since <= t < until``; None is open. Times without a zone are taken as UTC.

    :raises DataError: if the window can hold nothing.
    """

    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "since", in_utc(self.since) if self.since else None)
        object.__setattr__(self, "until", in_utc(self.until) if self.until else None)
        if self.since and self.until and self.since >= self.until:
            raise DataError("window of event time is empty", given=str(self), expected="since before until")

    def __str__(self) -> str:
        since = self.since.isoformat() if self.since else "the first event"
        until = self.until.isoformat() if self.until else "the last event"
        return f"{since} to {until}"

    def mask(self, times: Any) -> Any:
        """Which of some UTC timestamps lie inside, as an Arrow boolean array; a null never does."""
        import pyarrow as pa
        import pyarrow.compute as pc

        inside = pc.is_valid(times)
        if self.since:
            inside = pc.and_(
                inside, pc.fill_null(pc.greater_equal(times, pa.scalar(self.since, time_type())), False)
            )
        if self.until:
            inside = pc.and_(inside, pc.fill_null(pc.less(times, pa.scalar(self.until, time_type())), False))
        return inside
