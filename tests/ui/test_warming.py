"""The pages are ready before their first reader comes, and nobody waits for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.core.overview import overviews
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store
from airflow_mlops.plugin import MlopsPlugin
from airflow_mlops.ui import mounted, warming
from airflow_mlops.ui.mounted import MountedApp
from airflow_mlops.ui.rendering import environment
from tests.ui.conftest import connection
from tests.ui.world import register


def test_the_api_server_makes_the_pages_ready_and_serves_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    class Started:
        def __init__(self, *, target: Any, name: str, daemon: bool) -> None:
            assert daemon, "a server that ends does not wait for it"
            self.name = name

        def start(self) -> None:
            started.append(self.name)

    monkeypatch.setattr(mounted, "Thread", Started)
    server = FastAPI()
    (given,) = MlopsPlugin.fastapi_root_middlewares
    server.add_middleware(given["middleware"])
    assert started == []
    with TestClient(server) as client:
        assert started == ["mlops-pages"]
        assert client.get("/").status_code == 404
    assert started == ["mlops-pages"]


def test_a_server_is_given_back_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MountedApp, "_prepare", lambda self: None)
    server = FastAPI()
    assert MountedApp().started(server) is server


def test_templates_are_compiled_and_models_looked_at(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    register(store, "orders")
    looked: list[str] = []
    monkeypatch.setattr(warming, "look_once", lambda found: looked.append(found.uri))
    warming.prepare()
    assert looked == [store.uri]
    cache = environment().cache
    assert cache is not None
    assert {name for _, name in cache.keys()} >= set(environment().list_templates())  # noqa: SIM118 - an LRUCache


def test_after_a_look_the_list_reads_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in ("orders", "wages"):
        register(store, model)
    warming.look_once(store)

    def read(key: str) -> bytes:
        raise AssertionError(key)

    monkeypatch.setattr(store, "read", read)
    assert [one.versions for one in overviews(store, now=utc_now())] == [1, 1]


def test_a_store_that_nobody_began_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", connection(store=str(tmp_path / "none")))
    warming.prepare()
    assert list(tmp_path.iterdir()) == []


def test_what_fails_is_left_to_the_first_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", connection(store="ftp://x"))
    warming.prepare()


def test_who_only_loads_the_plugin_imports_no_page() -> None:
    show = (
        "import sys, airflow_mlops.plugin; print([one for one in sys.modules if one.startswith("
        "('airflow_mlops.ui.app', 'airflow_mlops.ui.warming', 'airflow_mlops.core.overview', 'jinja2.environment'))])"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert "airflow_mlops" not in done.stdout
