"""A SQL query as a source: the same rows are the same version, whatever the database does with their order."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import types
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pytest

from airflow_mlops.core.data.dbapi import Dbapi, run_query
from airflow_mlops.core.data.query import QueryRunner
from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import DataError, PlatformError, SourceUnavailable
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec
from tests.core.flights import sample, spec

SELECT = "SELECT * FROM flights"
MIXED = "SELECT time_hour, late, iif(distance > 999, 'far', distance) AS distance FROM flights"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "flights.db"
    flights = sample(20).drop(columns="month")
    flights["time_hour"] = flights["time_hour"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    with sqlite3.connect(path) as connection:
        flights.to_sql("flights", connection, index=False)
    return path


def _spec(sql: str = SELECT, **data: Any) -> ModelSpec:
    fields = {"query": sql, "connection": "warehouse", "event_time": "time_hour", "label": "late", **data}
    return spec(data=fields, features={"columns": ["distance"]})


def _taken(
    store: Store, folder: Path, run: QueryRunner | None, made: ModelSpec, **window: Any
) -> DatasetVersion:
    return snapshot(store, FolderRoot(folder), made, query=run, **window)


@pytest.fixture
def take(store: Store, tmp_path: Path, database: Path) -> Any:
    def taking(sql: str = SELECT, **more: Any) -> DatasetVersion:
        window = {name: more.pop(name) for name in ("since", "until", "progress") if name in more}
        return _taken(store, tmp_path, Dbapi(lambda: sqlite3.connect(database)), _spec(sql, **more), **window)

    return taking


def _keys(store: Store) -> set[str]:
    return {item.key for item in store.list("")}


def test_the_rows_of_a_query_are_a_version(take: Any, store: Store) -> None:
    version = take()
    expected = sample(20).drop(columns="month")
    frame = read_frame(store, load_version(store, "flight_delay", version.id))
    order = ["time_hour", *(name for name in frame.columns if name != "time_hour")]
    expected["time_hour"] = expected["time_hour"].dt.as_unit("us")
    expected = expected.sort_values(order, kind="stable").reset_index(drop=True)
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)
    assert (version.query.connection, version.query.sql) == ("warehouse", SELECT)
    assert version.rows == 240
    assert len(version.files) == 1


def test_the_same_rows_are_the_same_version_in_any_order(take: Any, store: Store) -> None:
    version = take()
    keys = _keys(store)
    for order in ("distance", "tailnum DESC", "random()"):
        assert take(f"{SELECT} ORDER BY {order}") == version
    assert _keys(store) == keys, "nothing is stored twice"
    assert take(f"{SELECT} WHERE distance > 500").id != version.id


def test_rows_that_stand_twice_stay_twice(take: Any) -> None:
    assert take(f"{SELECT} UNION ALL {SELECT}").rows == 480


def test_rows_outside_of_the_window_are_not_stored(take: Any, store: Store) -> None:
    until = datetime(2013, 3, 1, tzinfo=timezone.utc)
    version = take(until=until)
    assert version.rows == version.files[0].rows == 40
    assert version.last_event < until
    later = f"{SELECT} WHERE time_hour < '2013-06-01'"
    assert take(later, until=until) == version, "rows that arrive later leave a closed window alone"


@pytest.mark.parametrize(
    "sql, problem",
    [
        ("SELECT time_hour, late, distance, late FROM flights", r"returns the column late 2 times; .*AS"),
        ("SELECT time_hour, late, distance AS '' FROM flights", r"a column without a name; given column 3 of 3"),
        (f"{SELECT} WHERE false", r"data set is empty: the query on warehouse returns no row"),
        ("SELECT time_hour, late FROM flights", r"the query on warehouse lacks distance \(features.columns"),
        ("SELECT late, distance FROM flights", r"the query on warehouse lacks time_hour \(data.event_time"),
        ("SELECT * FROM fligths", r"on warehouse failed; given OperationalError: no such table: fligths"),
        ("CREATE TABLE other (a INT)", r"query on warehouse returns no rows; expected one SELECT"),
        (MIXED, r"column distance of query on warehouse has mixed or unknown types; given .*CAST"),
        ("SELECT NULL AS time_hour, late, distance FROM flights", r"query on warehouse .* has no time in 240 of 240"),
        ("SELECT time_hour, NULL AS late, distance FROM flights", r"label late has no value in any of 240 rows"),
    ],
)  # fmt: skip
def test_what_can_be_wrong_is_one_line(take: Any, store: Store, sql: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        take(sql)
    assert "\n" not in str(caught.value)
    assert not _keys(store), "nothing was stored"


def test_no_row_in_the_window(take: Any) -> None:
    with pytest.raises(DataError, match=r"no row of the query on warehouse has its event time in the window"):
        take(since=datetime(2020, 1, 1, tzinfo=timezone.utc))


def test_without_a_runner_the_remedy_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"connection warehouse, and there is no Airflow; .*Dbapi"):
        _taken(store, tmp_path, None, _spec())


class _Batches:
    """A runner of batches that are given."""

    def __init__(self, *batches: dict[str, list[Any]]) -> None:
        self.batches = batches

    def __call__(self, connection: str, sql: str) -> Iterator[pa.RecordBatch]:
        for batch in self.batches:
            yield pa.RecordBatch.from_pydict(batch)


def _at(day: int) -> datetime:
    return datetime(2013, 1, day, tzinfo=timezone.utc)


def test_types_may_widen_on_the_way(store: Store, tmp_path: Path) -> None:
    run = _Batches(
        {"time_hour": [_at(3)], "late": [1], "distance": [None]},
        {"time_hour": [_at(2)], "late": [0], "distance": [7]},
        {"time_hour": [_at(1)], "late": [0], "distance": [1.5]},
    )
    version = _taken(store, tmp_path, run, _spec())
    assert {one.name: one.type for one in version.columns}["distance"] == "double"
    assert read_frame(store, version)["distance"].fillna(-1).tolist() == [1.5, 7.0, -1.0]


def test_types_that_do_not_go_together_name_the_row(store: Store, tmp_path: Path) -> None:
    run = _Batches(
        {"time_hour": [_at(3)], "late": [1], "distance": [1]},
        {"time_hour": [_at(2)], "late": [0], "distance": ["far"]},
    )
    with pytest.raises(
        DataError, match=r"column distance of query on warehouse \(from row 1\) has another type"
    ):
        _taken(store, tmp_path, run, _spec())


class _Cursor:
    """A driver's cursor over rows that are given; it counts what is fetched at once."""

    def __init__(self, names: list[str], rows: list[tuple[Any, ...]], late_description: bool = False) -> None:
        self.names, self.rows, self.most = names, rows, 0
        self.description = None if late_description else [(name,) for name in names]

    def execute(self, sql: str) -> None:
        self.sql = sql

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        self.description = [(name,) for name in self.names]
        self.most = max(self.most, size)
        taken, self.rows = self.rows[:size], self.rows[size:]
        return taken

    def close(self) -> None:
        pass


class _Connection:
    def __init__(self, cursor: _Cursor) -> None:
        self.made, self.asked, self.closed = cursor, [], False

    def cursor(self, *given: Any, **named: Any) -> _Cursor:
        self.asked.append((given, named))
        return self.made

    def close(self) -> None:
        self.closed = True


def test_values_of_drivers_are_plain(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=-5))
    values = [
        Decimal("1.50"),
        UUID(int=7),
        memoryview(b"x"),
        {"b": 1, "a": [2]},
        datetime(2013, 1, 1, tzinfo=zone),
        None,
    ]
    names = ["decimal", "uuid", "bytes", "json", "time", "none"]
    connection = _Connection(_Cursor(names, [tuple(values)]))
    (batch,) = run_query(lambda: connection, "SELECT 1", "db")
    assert batch.to_pylist()[0] == {
        "decimal": 1.5,
        "uuid": str(UUID(int=7)),
        "bytes": b"x",
        "json": '{"a": [2], "b": 1}',
        "time": datetime(2013, 1, 1, 5, tzinfo=timezone.utc),
        "none": None,
    }
    assert str(batch.schema.field("time").type) == "timestamp[us, tz=UTC]"
    assert connection.closed


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_rows_stay_on_the_server(driver: str) -> None:
    kind = type("connection", (_Connection,), {"__module__": f"{driver}.extensions"})
    connection = kind(_Cursor(["x"], [(1,)], late_description=True))
    assert len(list(run_query(lambda: connection, "SELECT 1", "db"))) == 1
    assert connection.asked == [((), {"name": "airflow_mlops"})], "a named cursor is one on the server"


def test_rows_of_mysql_stay_on_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("MySQLdb.cursors")
    module.SSCursor = object()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "MySQLdb.cursors", module)
    kind = type("Connection", (_Connection,), {"__module__": "MySQLdb.connections"})
    connection = kind(_Cursor(["x"], [(1,)]))
    assert len(list(run_query(lambda: connection, "SELECT 1", "db"))) == 1
    assert connection.asked == [((module.SSCursor,), {})]


def test_wide_rows_are_fetched_a_few_at_a_time() -> None:
    names = [f"c{number}" for number in range(5_000)]
    cursor = _Cursor(names, [(1,) * 5_000] * 300)
    sizes = [len(batch) for batch in run_query(lambda: _Connection(cursor), "SELECT 1", "db")]
    assert sizes == [100, 100, 100]


def test_secrets_stand_in_no_message() -> None:
    def refused() -> Any:
        raise ConnectionError("could not connect as ada with s3cret to\ndb.example")

    with pytest.raises(SourceUnavailable) as caught:
        list(run_query(refused, "SELECT 1", "db", secrets=["s3cret"]))
    assert str(caught.value) == (
        "query on db: no connection to the database; given ConnectionError: could not connect as ada with *** "
        "to db.example; correct the connection"
    )
    assert caught.value.__cause__ is None


def test_memory_is_bounded(tmp_path: Path) -> None:
    code = """
import resource, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
import pyarrow as pa, duckdb, pandas
from airflow_mlops.core.data.query import _sorted, _spool
from airflow_mlops.core.data.event_time import Window
from tests.core.data.test_query import _spec
def batches(n):
    for i in range(n):
        rows = range(i * 20_000, (i + 1) * 20_000)
        yield pa.RecordBatch.from_pydict({
            "time_hour": pa.array([(r * 7919) % 100_000_000 for r in rows], pa.timestamp("us", tz="UTC")),
            "late": [r % 2 for r in rows], "distance": [r * 0.5 for r in rows], "text": [f"{r:0100d}" for r in rows]})
def run(n, folder):
    folder.mkdir()
    parts = _spool(batches(n), _spec(), "query", folder, print)
    _sorted(parts, "time_hour", Window(), folder, "query", print)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
few = run(5, Path(sys.argv[1]) / "few")
print(run(60, Path(sys.argv[1]) / "many") - few)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout.split()[-1]) < 700, "MB more for 1.2 million rows of 130 bytes than for 100,000"
