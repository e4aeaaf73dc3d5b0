"""A platform in a folder, reached by a connection, with an endpoint in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.bases.operator import ExecutorSafeguard

from airflow_mlops.core.store import Store, open_store
from airflow_mlops.platform import Platform
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run


@pytest.fixture(autouse=True)
def _without_task_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow warns of every ``execute`` that is not called by its task runner."""
    monkeypatch.setattr(ExecutorSafeguard, "test_mode", True)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> FakeEndpoint:
    endpoint = FakeEndpoint()
    monkeypatch.setattr(Platform, "endpoint", lambda platform, model, store=None: endpoint)
    return endpoint


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Points the default connection somewhere."""

    def to(**extra: str) -> None:
        fields = {"store": str(tmp_path / "store"), "data": str(tmp_path / "data"), **extra}
        monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", json.dumps({"conn_type": "mlops", "extra": fields}))

    return to


@pytest.fixture
def store(connect: Callable[..., None], endpoint: FakeEndpoint, tmp_path: Path) -> Store:
    connect()
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def run() -> Run:
    return Run()
