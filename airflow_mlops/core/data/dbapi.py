"""Rows of a SQL query as Arrow batches, over any driver that follows the Python database API (PEP 249)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import UUID

from airflow_mlops.core.errors import DataError, MlopsError, SourceUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST_ROWS = 100
_MOST_ROWS = 20_000
_MOST_CELLS = 500_000
#: Drivers that hold the whole result in memory unless they are asked for such a cursor.
_STREAMING = {"MySQLdb": "MySQLdb.cursors", "pymysql": "pymysql.cursors"}

#: Types of which Arrow takes the values as they are.
_SIMPLE = frozenset({bool, bytes, date, datetime, float, int, str, type(None)})


class Dbapi:
    """Runs queries on one database, without Airflow; a :class:`~airflow_mlops.core.data.query.QueryRunner`.

    :param connect: opens a new PEP 249 connection, for example ``engine.raw_connection`` of SQLAlchemy.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect

    def __call__(self, connection: str, sql: str) -> Iterator[pa.RecordBatch]:
        """The rows of ``sql``; ``connection`` only names the database in messages."""
        return run_query(self._connect, sql, connection)


def run_query(
    connect: Callable[[], Any], sql: str, name: str, *, secrets: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Run a query and read its rows batch by batch; nothing is ever committed.

    Numbers with a fixed point become floats, ids and documents text, times with a zone UTC.

    :param connect: opens a new PEP 249 connection.
    :param name: names the connection in messages.
    :param secrets: texts that must not stand in a message.
    :raises SourceUnavailable: if the database can't be reached.
    :raises DataError: if it refuses, or a column has no name, one that stands twice, or mixed types.
    """
    what = f"query on {name}"
    with _told(
        SourceUnavailable, f"{what}: no connection to the database", "correct the connection", secrets
    ):
        opened = connect()
    refused = _told(DataError, f"{what} failed", "correct data.query", secrets)
    with refused, closing(opened) as connection, closing(_cursor(connection)) as cursor:
        cursor.execute(sql)
        rows, start = cursor.fetchmany(_FIRST_ROWS), 0
        # some drivers know the columns only after the first rows were fetched
        names = _names(cursor.description, what)
        most = max(1, min(_MOST_ROWS, _MOST_CELLS // len(names)))
        while rows:
            yield _batch(names, rows, what, start)
            start += len(rows)
            rows = cursor.fetchmany(most)


@contextmanager
def _told(kind: type[DataError], problem: str, remedy: str, secrets: Sequence[str]) -> Iterator[None]:
    """Turns what a driver raises into one line without secrets."""
    try:
        yield
    except MlopsError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "***")
        raise kind(problem, given=f"{type(error).__name__}: {text[:300]}", remedy=remedy) from None


def _cursor(connection: Any) -> Any:
    """A cursor that leaves the rows on the server until they are fetched, where the driver has such."""
    drivers = {kind.__module__.split(".")[0] for kind in type(connection).__mro__}
    if drivers & {"psycopg2", "psycopg"}:
        return connection.cursor(name="airflow_mlops")
    for driver, module in _STREAMING.items():
        if driver in drivers:
            return connection.cursor(import_module(module).SSCursor)
    return connection.cursor()


def _names(description: Any, what: str) -> list[str]:
    if not description:
        raise DataError(f"{what} returns no rows", expected="one SELECT statement")
    names = [str(column[0]) for column in description]
    check_names(names, what)
    return names


def check_names(names: Sequence[str], what: str) -> None:
    """Refuse columns that can't be told apart. :raises DataError: naming the first."""
    if "" in names:
        raise DataError(
            f"{what} returns a column without a name",
            given=f"column {names.index('') + 1} of {len(names)}",
            remedy="give it one with AS",
        )
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(
                f"{what} returns the column {name} {count} times",
                expected="once",
                remedy="give each column a name of its own with AS",
            )


def _batch(names: Sequence[str], rows: Sequence[Sequence[Any]], what: str, start: int) -> pa.RecordBatch:
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    arrays = [_array(name, values, what, start) for name, values in zip(names, columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _array(name: str, values: Sequence[Any], what: str, start: int) -> Any:
    import pyarrow as pa

    plain = values if _SIMPLE.issuperset(map(type, values)) else [_plain(value) for value in values]
    try:
        array = pa.array(plain)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        kinds = Counter(type(value).__name__ for value in plain if value is not None)
        raise DataError(
            f"column {name} of {what} has mixed or unknown types",
            given=f"{', '.join(kinds)} in rows {start} to {start + len(values) - 1}",
            expected="values of one type",
            remedy="CAST it in the query",
        ) from None
    if pa.types.is_timestamp(array.type) and array.type.tz:
        return array.cast(pa.timestamp("us", tz="UTC"))
    return array


def _plain(value: Any) -> Any:
    """A driver's value as one that Arrow knows."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, memoryview | bytearray):
        return bytes(value)
    if isinstance(value, Mapping | list | tuple | set):
        return json.dumps(sorted(value) if isinstance(value, set) else value, default=str, sort_keys=True)
    return value
