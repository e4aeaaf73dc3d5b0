from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.spec import Serving
from tests.core.serving.fakes import MODEL, RULE, Clock, FakeSource, client, deploy, running


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


@pytest.fixture
def source() -> FakeSource:
    return FakeSource(Serving(max_rows=100, key=("id",), fallback=RULE))


@pytest.fixture
def url(store: FolderStore, source: FakeSource, tmp_path: Path) -> Iterator[str]:
    """A server with version 1 as champion."""
    deploy(store, "promote", 1)
    with running(store, source, spool=tmp_path / "spool") as url:
        yield url


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """As ``url``, shared by the tests of a file that deploy nothing."""
    folder = tmp_path_factory.mktemp("shared")
    store = FolderStore(folder / "store")
    deploy(store, "promote", 1)
    source = FakeSource(Serving(max_rows=100, key=("id",), fallback=RULE))
    with running(store, source, spool=folder / "spool") as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with client(url) as http:
        yield http


@pytest.fixture
def endpoint(url: str, store: FolderStore) -> LocalEndpoint:
    return LocalEndpoint(url, MODEL, store)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def log(store: FolderStore) -> DeploymentLog:
    return DeploymentLog(store, MODEL)
