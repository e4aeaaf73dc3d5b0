"""What a snapshot has to know of one file before it may pin it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.csv_types import TypeFinder
from airflow_mlops.core.data.event_time import EXPECTED, Window, to_utc
from airflow_mlops.core.data.files import (
    LocalFile,
    check_columns,
    csv_columns,
    file_schema,
    raw_batches,
    readable,
)
from airflow_mlops.core.data.footer import rows_outside
from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Scan:
    """One file: its hash, its schema as it is read, and how its rows lie in time.

    :param inside: rows whose event time lies in the window.
    :param first, last: the range of those event times.
    """

    file: LocalFile
    sha256: str
    size: int
    schema: pa.Schema
    rows: int
    inside: int
    first: datetime | None
    last: datetime | None


def scan_file(
    file: LocalFile,
    event_time: str,
    window: Window,
    sha256: str | None = None,
    schemas: dict[object, object] | None = None,
) -> Scan:
    """Read the event times of a file (of a CSV file all of it, to find the types).

    A Parquet file whose footer proves that no row lies in the window is not read, and has neither hash nor schema.

    :param sha256: the file's hash, where it is known.
    :param schemas: schemas that were met before: equal ones of many files are kept once.
    :raises DataError: if the file can't be read, holds no event times, or lacks one in a row although other
        rows lie in the window: such a row belongs to no window, and nothing is left out in silence.
    """
    import pyarrow as pa

    from airflow_mlops.core.store.blobs import hash_file

    outside = rows_outside(file, event_time, window)
    if outside is not None:
        return scan_outside(file, outside)
    with readable(file):
        sha256, size = sha256 or hash_file(file.path), file.path.stat().st_size
    is_csv = file.format == "csv"
    schema = None if is_csv else file_schema(file, event_time)
    names = csv_columns(file) if schema is None else list(schema.names)
    check_columns({event_time: "data.event_time"}, names, file.source)
    finders = {name: TypeFinder() for name in names} if is_csv else {}
    times = _Times(file.source, event_time, window)
    for batch in raw_batches(file, names if is_csv else [event_time]):
        with readable(file):
            times.update(batch.column(event_time))
        for name, finder in finders.items():
            finder.update(batch.column(name))
    times.check()
    if schema is None:
        kinds = {name: finder.type for name, finder in finders.items()}
        schema = pa.schema(
            [(name, times.type if name == event_time else kind) for name, kind in kinds.items()]
        )
    if schemas is not None:
        schema = schemas.setdefault(schema, schema)
    return Scan(file, sha256, size, schema, times.rows, times.inside, times.first, times.last)


def scan_outside(file: LocalFile, rows: int) -> Scan:
    """A file of which it is known without reading it that no row lies in the window."""
    import pyarrow as pa

    return Scan(file, "", 0, pa.schema([]), rows, 0, None, None)


class _Times:
    """Collects what the event times of a file are."""

    def __init__(self, source: str, column: str, window: Window) -> None:
        from airflow_mlops.core.data.event_time import time_type

        self.type = time_type()
        self.rows = self.inside = 0
        self.first: datetime | None = None
        self.last: datetime | None = None
        self._source, self._column, self._window = source, column, window
        self._valid = 0
        self._bad: tuple[int, str] | None = None

    def update(self, values: Any) -> None:
        """Look at the next rows."""
        import pyarrow.compute as pc

        times = to_utc(values)
        if self._bad is None and times.null_count:
            place = pc.index(pc.is_null(times), True).as_py()
            self._bad = (self.rows + place, _shown(values[place]))
        inside = times.filter(self._window.mask(times))
        self.rows += len(times)
        self._valid += len(times) - times.null_count
        self.inside += len(inside)
        if len(inside):
            found = pc.min_max(inside)
            low, high = found["min"].as_py(), found["max"].as_py()
            self.first = min(low, self.first or low)
            self.last = max(high, self.last or high)

    def check(self) -> None:
        """Refuse a file in which event times are missing.

        :raises DataError: naming the first row without one.
        """
        if self._bad is None or (self._valid and not self.inside):
            return
        row, value = self._bad
        raise DataError(
            f"event_time column {self._column} of {self._source} has no time "
            f"in {self.rows - self._valid:,} of {self.rows:,} rows, first in row {row}",
            given=value,
            expected=EXPECTED,
            remedy="name a column that has a time in every row, or mend these rows at their source",
        )


def _shown(value: Any) -> str:
    """A value that is no time, in words; Python has no time of the year 100,000."""
    if not value.is_valid:
        return "no value"
    try:
        return repr(value.as_py())[:80] if str(value.type).endswith("string") else str(value.as_py())
    except (OverflowError, ValueError):
        return f"a {value.type} beyond the years 1 to 9999"
