"""The app over a store, for somebody who may see and run what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from airflow_mlops.core.store import Store
from airflow_mlops.ui import access
from airflow_mlops.ui.app import create_app
from airflow_mlops.ui.source import the_store
from tests.core.registry.world import MODEL


class Manager:
    """An auth manager that lets somebody see some models and run some DAGs.

    :param sees: models. :param runs: ids of DAGs.
    """

    def __init__(self, sees: Iterable[str], runs: Iterable[str]) -> None:
        self._reads, self._runs = {f"{model}.release" for model in sees}, set(runs)

    def is_authorized_dag(self, *, method: str, details: Any, user: Any, access_entity: Any = None) -> bool:
        return details.id in (self._reads if method == "GET" else self._runs)

    def filter_authorized_dag_ids(self, *, dag_ids: set[str], user: Any, team_name: str | None) -> set[str]:
        return dag_ids & self._reads


Opened = Callable[..., TestClient]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Opens the pages over a store; without ``sees`` of the one model of the worlds."""

    def open_(store: Store, *, sees: Iterable[str] = (MODEL,), runs: Iterable[str] = ()) -> TestClient:
        manager = Manager(sees, runs)
        monkeypatch.setattr(access, "get_auth_manager", lambda: manager)
        app = create_app()
        app.dependency_overrides[get_user] = lambda: "ann"
        app.dependency_overrides[the_store] = lambda: store
        return TestClient(app)

    return open_
