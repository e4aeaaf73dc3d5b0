"""A query on an Airflow connection: rows through the provider's hook, and no secret in a message."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook
from airflow.sdk.providers_manager_runtime import HookInfo, ProvidersManagerTaskRuntime

from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.hooks.query import run_on_connection
from airflow_mlops.operators.data import SnapshotOperator
from tests.core.flights import sample, spec
from tests.operators.world import Run

Connect = Callable[..., None]


class SqliteHook(DbApiHook):
    """What Airflow's SQLite provider has, in short; its host is the file."""

    conn_name_attr = "sqlite_conn_id"
    conn_type = "sqlite"

    def get_conn(self) -> sqlite3.Connection:
        connection = self.get_connection(self.get_conn_id())
        if connection.login:
            raise sqlite3.OperationalError(f"no access for {connection.login}:{connection.password}")
        return sqlite3.connect(str(connection.host))


@pytest.fixture(autouse=True)
def _provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow as it is with a provider whose hook is the one above."""
    manager = ProvidersManagerTaskRuntime()
    info = HookInfo(f"{__name__}.SqliteHook", "sqlite_conn_id", "tests", "SQLite", "sqlite", False)
    monkeypatch.setitem(manager.hooks, "sqlite", info)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def set_one(conn_type: str = "sqlite", **parts: Any) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": conn_type, **parts}))

    return set_one


@pytest.fixture
def database(tmp_path: Path) -> Path:
    flights = sample(10).drop(columns="month")
    flights["time_hour"] = flights["time_hour"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    with sqlite3.connect(tmp_path / "flights.db") as connection:
        flights.to_sql("flights", connection, index=False)
    return tmp_path / "flights.db"


def test_a_snapshot_of_a_query_on_a_connection(
    connect: Connect, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIRFLOW__MLOPS__HOME", str(tmp_path / "home"))
    connect(host=str(database))
    data = {
        "query": "SELECT * FROM flights",
        "connection": "warehouse",
        "event_time": "time_hour",
        "label": "late",
    }
    operator = SnapshotOperator(task_id="snapshot", spec=spec(data=data, features={"columns": ["distance"]}))
    taken = Run().execute(operator)
    assert taken["rows"] == 120
    store = MlopsHook().get_conn().store()
    frame = read_frame(store, load_version(store, taken["dataset"], taken["id"]))
    assert frame["distance"].sum() == sample(10)["distance"].sum()
    assert Run().execute(operator) == taken, "the same rows are the same version"


def test_a_connection_that_is_not_there() -> None:
    with pytest.raises(PlatformError, match=r"Airflow has no connection nowhere; .*data.connection"):
        list(run_on_connection("nowhere", "SELECT 1"))


def test_a_connection_without_a_provider(connect: Connect) -> None:
    connect("oracle9")
    with pytest.raises(
        PlatformError, match=r"connection warehouse has no hook; given type oracle9 .*install"
    ):
        list(run_on_connection("warehouse", "SELECT 1"))


def test_a_connection_to_something_else(connect: Connect, tmp_path: Path) -> None:
    connect("fs", extra={"path": str(tmp_path)})
    with pytest.raises(PlatformError, match=r"connection warehouse is none to a SQL database; given type fs"):
        list(run_on_connection("warehouse", "SELECT 1"))


def test_no_secret_stands_in_a_message(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    connect(login="ada", password="s3cret/word", extra={"token": "t0k3n-42"})
    with caplog.at_level(logging.DEBUG), pytest.raises(DataError) as caught:
        list(run_on_connection("warehouse", "SELECT 1"))
    assert str(caught.value) == (
        "query on warehouse: no connection to the database; given OperationalError: no access for ada:***; "
        "correct the connection"
    )
    for secret in ("s3cret", "t0k3n-42"):
        assert secret not in caplog.text
        assert secret not in repr(caught.value)
