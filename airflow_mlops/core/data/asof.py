"""The ``ASOF`` join itself: DuckDB finds, for each row, the newest joined row that is not newer than it.

Only times and ``by`` columns go into DuckDB, and the joined columns come out of it; all other columns of the rows pass
by it, in their own types. Every name in the SQL of this module is one that it made itself.
"""
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import time_type
from airflow_mlops.core.data.reading import local_files, read_batches, schema_of
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from airflow_mlops.spec import Join

_MICRO = timedelta(microseconds=1)
_CHUNK = 65_536


@dataclass(frozen=True)
class Match:
    """How many rows found a joined row, and what helps where none did.

    :param repeated: joined rows that were left out, because a later one has the same time and ``by`` columns.
    :param shared_keys: values of the ``by`` columns that are on both sides.
    """

    name: str
    by: tuple[str, ...]
    tolerance: timedelta | None
    rows: int
    matched: int
    repeated: int
    shared_keys: int
    rows_from: datetime
    rows_to: datetime
    joined_from: datetime
    joined_to: datetime

    @property
    def text(self) -> str:
        """One line for the log."""
        share = 100 * self.matched / self.rows
        lacking = self.rows - self.matched
        told = (
            f"join {self.name}: {share:.1f} % of {self.rows:,} rows have a joined row, {lacking:,} get nulls"
        )
        if self.repeated:
            told += f"; {self.repeated:,} joined rows are corrected by a later one of the same time"
        return told


@dataclass(frozen=True)
class Joined:
    """The rows with the joined columns at their end, in batches, and how each join did."""

    batches: Iterator[pa.RecordBatch]
    matches: tuple[Match, ...]


@contextmanager
def asof_join(
    connection: DuckDBPyConnection,
    store: Store,
    version: DatasetVersion,
    sources: Sequence[tuple[Join, DatasetVersion]],
) -> Iterator[Joined]:
    """Join data sets to the rows of ``version``; the batches can be read once, inside the block.

    :param sources: each join and the dataset version of its source.
    :raises DataError: if a ``by`` column has another type on the other side.
    """
    keys = list(dict.fromkeys(name for join, _ in sources for name in join.by))
    key_types = _load(connection, "rows_in", store, version, version.event_time, keys)
    matches: list[Match] = []
    streams: list[_Stream] = []
    for number, (join, joined) in enumerate(sources):
        types = _load(
            connection, f"joined_{number}", store, joined, join.event_time, [*join.by, *join.columns]
        )
        _require_same_types(join, key_types, types)
        places = [keys.index(name) for name in join.by]
        matches.append(_match(connection, number, join, places, version, joined))
        streams.append(_stream(connection, number, join, types))
    try:
        yield Joined(_glue(read_batches(store, version), streams), tuple(matches))
    finally:
        for stream in streams:
            stream.close()


def _load(
    connection: DuckDBPyConnection,
    table: str,
    store: Store,
    version: DatasetVersion,
    event_time: str,
    columns: Sequence[str],
) -> dict[str, pa.DataType]:
    """Copy columns of a version into a table ``(n, t, c0, c1, ...)``: row number, microseconds, values."""
    import pyarrow as pa

    names = list(dict.fromkeys(columns))
    batches = read_batches(store, version, list(dict.fromkeys([event_time, *names])))
    first = next(batches, None)
    whole = first.schema if first is not None else schema_of(version, local_files(store, version))
    types = {name: whole.field(name).type for name in names}
    schema = pa.schema(
        [("n", pa.int64()), ("t", pa.int64()), *((f"c{i}", types[name]) for i, name in enumerate(names))]
    )
    reader = pa.RecordBatchReader.from_batches(
        schema, _numbered(chain([first] if first else [], batches), event_time, names, schema)
    )
    connection.register("arriving", reader)
    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM arriving")
    connection.unregister("arriving")
    return types


def _numbered(
    batches: Iterable[pa.RecordBatch], event_time: str, names: Sequence[str], schema: pa.Schema
) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    start = 0
    for batch in batches:
        times = batch.column(event_time).cast(time_type()).cast(pa.int64())
        numbers = pa.array(np.arange(start, start + len(batch)))
        values = [_without_nan(pc, batch.column(name)) for name in names]
        yield pa.RecordBatch.from_arrays([numbers, times, *values], schema=schema)
        start += len(batch)


def _without_nan(pc: Any, values: pa.Array) -> pa.Array:
    """NaN is a missing value, as everywhere in a data set."""
    import pyarrow as pa

    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _require_same_types(join: Join, rows: dict[str, pa.DataType], joined: dict[str, pa.DataType]) -> None:
    for name in join.by:
        for where, kind in (("of the rows", rows[name]), ("of the joined source", joined[name])):
            if str(kind) == "null":
                raise DataError(
                    f"join {join.name}: column {name} {where} has no value in any row",
                    expected="values that are on both sides",
                )
        if _family(rows[name]) != _family(joined[name]):
            raise DataError(
                f"join {join.name}: column {name} has another type than in the rows",
                given=str(joined[name]),
                expected=str(rows[name]),
                remedy="give it the same type in both sources",
            )


def _family(kind: pa.DataType) -> str:
    from pyarrow import types

    if types.is_integer(kind) or types.is_floating(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return "time" if types.is_timestamp(kind) or types.is_date(kind) else str(kind)


def _match(
    connection: DuckDBPyConnection,
    number: int,
    join: Join,
    places: Sequence[int],
    version: DatasetVersion,
    joined: DatasetVersion,
) -> Match:
    """Make the table ``asof_<number>`` of ``(n, matched, values)``, and count."""
    by = [f"c{i}" for i in range(len(join.by))]
    values = _values(join)
    there = " AND ".join(f"{key} IS NOT NULL" for key in by) or "true"
    # Of joined rows with the same key and time the last one counts.
    connection.execute(
        f"CREATE TABLE known AS SELECT * FROM joined_{number} WHERE {there} "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join([*by, 't'])} ORDER BY n DESC) = 1"
    )
    equal = [f"r.c{place} = k.{key}" for place, key in zip(places, by, strict=True)]
    on = " AND ".join([*equal, "r.t >= k.t"])
    limit = join.tolerance // _MICRO if join.tolerance else None
    fresh = "k.t IS NOT NULL" if limit is None else f"k.t IS NOT NULL AND r.t - k.t <= {limit}"
    chosen = "".join(f", CASE WHEN {fresh} THEN k.{value} END AS {value}" for value in values)
    connection.execute(
        f"CREATE TABLE asof_{number} AS SELECT r.n, {fresh} AS matched{chosen} "
        f"FROM rows_in r ASOF LEFT JOIN known k ON {on}"
    )
    matched = _one(connection, f"SELECT count(*) FROM asof_{number} WHERE matched")
    kept = _one(connection, "SELECT count(*) FROM known")
    usable = _one(connection, f"SELECT count(*) FROM joined_{number} WHERE {there}")
    shared = 0 if matched or not by else _shared_keys(connection, places, by)
    connection.execute(f"DROP TABLE known; DROP TABLE joined_{number}")
    return Match(
        name=join.name,
        by=join.by,
        tolerance=join.tolerance,
        rows=version.rows,
        matched=matched,
        repeated=usable - kept,
        shared_keys=shared,
        rows_from=version.first_event,
        rows_to=version.last_event,
        joined_from=joined.first_event,
        joined_to=joined.last_event,
    )


def _values(join: Join) -> list[str]:
    """Where the joined columns lie: after the ``by`` columns."""
    return [f"c{i}" for i in range(len(join.by), len(join.by) + len(join.columns))]


def _shared_keys(connection: DuckDBPyConnection, places: Sequence[int], by: Sequence[str]) -> int:
    left = ", ".join(f"c{place}" for place in places)
    both = f"SELECT DISTINCT {left} FROM rows_in INTERSECT SELECT DISTINCT {', '.join(by)} FROM known"
    return _one(connection, f"SELECT count(*) FROM ({both})")


def _one(connection: DuckDBPyConnection, sql: str) -> int:
    found = connection.execute(sql).fetchall()
    return int(found[0][0])


def _stream(
    connection: DuckDBPyConnection, number: int, join: Join, types: dict[str, pa.DataType]
) -> _Stream:
    columns = ", ".join(_values(join))
    # A cursor of its own: several results are read by turns.
    cursor = connection.cursor()
    reader = cursor.sql(f"SELECT {columns} FROM asof_{number} ORDER BY n").to_arrow_reader(_CHUNK)
    return _Stream(cursor, reader, [(name, types[name]) for name in join.columns])


class _Stream:
    """The joined columns of one join, row by row in the order of the rows, and cut as the rows are."""

    def __init__(
        self,
        cursor: DuckDBPyConnection,
        reader: pa.RecordBatchReader,
        columns: Sequence[tuple[str, pa.DataType]],
    ) -> None:
        self._cursor = cursor
        self._reader = reader
        self._columns = columns
        self._left: Any = None

    def close(self) -> None:
        """End the query."""
        self._cursor.close()

    def take(self, rows: int) -> list[tuple[pa.Field, pa.Array]]:
        """The next ``rows`` rows, in the types that the joined version is read with."""
        import pyarrow as pa

        parts, there = ([], 0) if self._left is None else ([self._left], len(self._left))
        while there < rows:
            batch = self._reader.read_next_batch()
            parts.append(batch)
            there += len(batch)
        table = pa.Table.from_batches(parts).combine_chunks()
        (whole,) = table.to_batches()
        self._left = whole.slice(rows)
        taken = whole.slice(0, rows)
        return [
            (pa.field(name, kind), taken.column(place).cast(kind, safe=False))
            for place, (name, kind) in enumerate(self._columns)
        ]


def _glue(batches: Iterable[pa.RecordBatch], streams: Sequence[_Stream]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    for batch in batches:
        added = [pair for stream in streams for pair in stream.take(len(batch))]
        yield pa.RecordBatch.from_arrays(
            [*batch.columns, *(values for _, values in added)],
            schema=pa.schema([*batch.schema, *(field for field, _ in added)]),
        )
