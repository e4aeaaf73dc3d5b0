"""Features as one SQL statement: DuckDB over a table ``rows`` of the raw columns, in training and at the endpoint.

The statement sees each row alone: for many rows it stands in a lateral join, in which ``rows`` is one row. So neither
their order nor their number can change a feature. Each thread prepares it once, for one row and for many.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.training.artifact import InputColumn
from airflow_mlops.core.training.sql_check import NAME, TABLE, Statement, check_statement, place
from airflow_mlops.core.training.sql_rows import ROW, RowSource, frame_table, rows_table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Up to so many rows are computed one after the other: the lateral join takes longer to start.
ONE_BY_ONE = 2
_SETTINGS = {
    "threads": 1,
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}
_TYPES = {"number": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN", "time": "TIMESTAMP WITH TIME ZONE"}
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL", '"NULL"')
_SOURCE = "mlops_rows"


@dataclass(frozen=True)
class SqlColumn:
    """One feature of a statement: its name, and whether it is a number, a boolean or a string."""

    name: str
    kind: str


class SqlFeatures:
    """A feature statement, ready to be called like a feature function. Safe to use from many threads.

    It reads no file and no network, loads no extension, and its settings are locked. Times are in UTC, with
    microseconds.

    :param sql: a SELECT over ``rows``.
    :param inputs: the raw columns.
    :raises FeatureError: in one line with the place in the statement, if it is not SQL, is not one SELECT, looks at
        other rows, or gives something else than numbers, booleans and strings.
    """

    def __init__(self, sql: str, inputs: Sequence[InputColumn]) -> None:
        _require_distinct([ROW, *(column.name for column in inputs)], "features.columns")
        self._connection = _connect()
        self._statement = check_statement(self._connection, sql, [column.name for column in inputs])
        self.columns = _bind(self._connection, self._statement, inputs)
        names = self._statement.names
        self._used = tuple(column for column in inputs if names is None or column.name.lower() in names)
        self._single, self._many = _wrap(self._statement, self._used)
        self._local = threading.local()

    def __call__(self, raw: pd.DataFrame) -> pd.DataFrame:
        """The features of a raw frame: a row for each row, in the same order, with the same index.

        :raises FeatureError: if the statement fails, or gives not one row for each.
        """
        import pandas as pd

        table = self._compute(frame_table(raw, self._used), len(raw))
        values = {
            column.name: _array(table.column(number), column.kind)
            for number, column in enumerate(self.columns, 1)
        }
        return pd.DataFrame(values, index=raw.index, copy=False)

    def values(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """The features of checked rows of a request as plain values, in the order of :attr:`columns`.

        :raises FeatureError: as a call.
        """
        if len(rows) <= ONE_BY_ONE:
            return [self._one(row) for row in rows]
        cursor, source = self._session()
        source.table = rows_table(rows, self._used)
        try:
            found = cursor.execute("EXECUTE features_of_many").fetchall()
        except Exception as error:
            raise self._explain(error, self._many) from None
        if [values[0] for values in found] != list(range(len(rows))):
            raise _not_one(len(found), len(rows))
        return [values[1:] for values in found]

    def _one(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        cursor, source = self._session()
        source.table = rows_table([row], self._used)
        try:
            found = cursor.execute("EXECUTE features").fetchall()
        except Exception as error:
            raise self._explain(error, self._single) from None
        if len(found) != 1:
            raise _not_one(len(found), 1)
        return tuple(found[0])

    def _compute(self, table: pa.Table, rows: int) -> pa.Table:
        import numpy as np

        cursor, source = self._session()
        source.table = table
        try:
            found = cursor.sql(self._many).to_arrow_table()
        except Exception as error:
            raise self._explain(error, self._many) from None
        if found.num_rows != rows or not np.array_equal(found.column(0).to_numpy(), np.arange(rows)):
            raise _not_one(found.num_rows, rows)
        return found

    def _session(self) -> tuple[Any, RowSource]:
        """This thread's connection and what it reads from, with the statements prepared."""
        session: tuple[Any, RowSource] | None = getattr(self._local, "session", None)
        if session is None:
            cursor, source = self._connection.cursor(), RowSource(self._used)
            cursor.register(_SOURCE, source)
            cursor.execute(f"PREPARE features AS {self._single}")
            cursor.execute(f"PREPARE features_of_many AS {self._many}")
            session = self._local.session = (cursor, source)
        return session

    def _explain(self, error: Exception, wrapped: str) -> FeatureError:
        return _explain(error, self._statement, len(wrapped.partition(self._statement.text)[0].encode()))


def _connect() -> Any:
    import duckdb

    connection = duckdb.connect(":memory:", config=dict(_SETTINGS))
    for setting in ("TimeZone = 'UTC'", "errors_as_json = true", "lock_configuration = true"):
        connection.execute(f"SET GLOBAL {setting}")
    return connection


def _bind(connection: Any, statement: Statement, inputs: Sequence[InputColumn]) -> tuple[SqlColumn, ...]:
    """The columns that the statement gives, over an empty table of the raw columns."""
    columns = ", ".join(f"{_quoted(column.name)} {_TYPES[column.type]}" for column in inputs)
    connection.execute(f"CREATE TABLE {TABLE} ({columns})")
    try:
        told = connection.execute(f"DESCRIBE {statement.text}").fetchall()
    except Exception as error:
        raise _explain(error, statement, len("DESCRIBE ")) from None
    finally:
        connection.execute(f"DROP TABLE {TABLE}")
    found = tuple(SqlColumn(name, _kind(name, kind)) for name, kind, *_ in told)
    _require_distinct([column.name for column in found], NAME)
    return found


def _wrap(statement: Statement, used: Sequence[InputColumn]) -> tuple[str, str]:
    """The statement over one row, and over each of many rows alone, with their number first."""
    names = [_quoted(column.name) for column in used]
    plain = ", ".join(names) or "1 AS mlops_nothing"
    each = ", ".join(f"r.{name}" for name in names) or f"r.{ROW} AS mlops_nothing"
    # The one text that is not ours was parsed and checked to be a single SELECT over rows.
    single = f"WITH {TABLE} AS (SELECT {plain} FROM {_SOURCE}) SELECT * FROM (\n{statement.text}\n) AS f"  # noqa: S608
    many = (
        f"SELECT r.{ROW}, f.* FROM {_SOURCE} AS r, LATERAL (WITH {TABLE} AS (SELECT {each}) SELECT * FROM (\n"  # noqa: S608
        f"{statement.text}\n)) AS f ORDER BY r.{ROW}"
    )
    return single, many


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _kind(name: str, kind: str) -> str:
    if kind.startswith("DECIMAL") or kind.removeprefix("U") in _NUMBERS:
        return "number"
    if kind == "BOOLEAN":
        return "boolean"
    if kind == "VARCHAR" or kind.startswith("ENUM"):
        return "string"
    raise FeatureError(
        f"feature {name} of {NAME} is neither number, boolean nor string",
        given=kind,
        remedy="turn times into numbers, e.g. hour(departure)",
    )


def _array(column: pa.ChunkedArray, kind: str) -> Any:
    """A feature in the dtypes of raw frames: float64, boolean, or strings with None."""
    import pandas as pd
    import pyarrow as pa

    if kind == "number":
        numbers: np.ndarray[Any, Any] = column.cast(pa.float64(), safe=False).to_numpy()
        return numbers
    if kind == "boolean":
        return pd.array(column.to_pylist(), dtype="boolean")
    return column.cast(pa.string()).to_numpy()


def _require_distinct(names: Sequence[str], what: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other is not name:
            same = f"{name} twice" if other == name else f"{other} and {name}"
            raise FeatureError(
                f"{what} has {same}", expected="names that differ in more than their case, as SQL wants them"
            )


def _not_one(found: int, rows: int) -> FeatureError:
    return FeatureError(
        f"{NAME} breaks its contract",
        given=f"{found:,} rows for {rows:,}",
        expected="one row for each",
        remedy="leave out WHERE and joins that drop or repeat rows: a missing feature is NULL",
    )


def _explain(error: Exception, statement: Statement, offset: int) -> FeatureError:
    """DuckDB's error in one line; ``offset`` is the byte at which the statement begins in what was run."""
    kind, _, rest = str(error).partition(": ")
    try:
        told = json.loads(rest)
    except ValueError:
        return FeatureError(f"{NAME} fails", given=" ".join(str(error).split())[:300])
    message = " ".join(str(told.get("exception_message", rest)).split())[:300]
    position = int(told.get("position", -1)) - offset
    inside = 0 <= position <= len(statement.text.encode())
    where = f" ({place(statement.text, position)})" if inside else ""
    return FeatureError(f"{NAME} fails{where}", given=f"{kind.removesuffix(' Error')}: {message}")
