"""The app behind Airflow's own login: real tokens, real roles, and a store of this test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow import settings
from airflow.api_fastapi import app as api_server
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.revoked_token import RevokedToken
from fastapi import FastAPI
from fastapi.testclient import TestClient

from airflow_mlops.core.store import Store, open_store
from airflow_mlops.ui.app import create_app
from airflow_mlops.ui.mounted import PREFIX
from airflow_mlops.ui.source import the_store
from tests.core.registry.world import MODEL

#: Where Airflow is reached below, and our pages.
BELOW = "/airflow"
HERE = f"{BELOW}{PREFIX}"
#: A client for a role of Airflow's, without a session for None.
SignIn = Callable[..., TestClient]


#: A client for a role that sees some models of a store.
Opened = Callable[..., TestClient]


class PerDag(SimpleAuthManager):
    """Airflow's simple auth manager, but some DAGs are for nobody: as the FAB or Keycloak manager may say.

    :ivar hidden: ids of these. :ivar shown: ids of the release DAGs that are for somebody; None for all.
    """

    hidden: frozenset[str] = frozenset()
    shown: frozenset[str] | None = None

    def is_authorized_dag(self, *, details: DagDetails | None = None, **asked: Any) -> bool:
        """Airflow's answer by role, or no."""
        if details is not None and details.id is not None and not self._is_shown(details.id):
            return False
        return super().is_authorized_dag(details=details, **asked)

    def _is_shown(self, dag_id: str) -> bool:
        other = self.shown is not None and dag_id.endswith(".release") and dag_id not in self.shown
        return not other and dag_id not in self.hidden


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """The one table that a login is looked up in."""
    RevokedToken.__table__.create(settings.engine, checkfirst=True)  # type: ignore[attr-defined]


@pytest.fixture
def manager(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> PerDag:
    """Who says what is permitted."""
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "False")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "for tests only, and long enough to be one" * 2)
    made = PerDag()
    monkeypatch.setattr(api_server._AuthManagerState, "instance", made)
    return made


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store that the connection names."""
    uri = str(tmp_path / "store")
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", connection(store=uri))
    return open_store(uri)


@pytest.fixture
def pages() -> FastAPI:
    """Our app."""
    return create_app()


@pytest.fixture
def mounted(pages: FastAPI) -> FastAPI:
    """An app that has ours below it, as Airflow's API server does, itself reached below a path."""
    root = FastAPI(root_path=BELOW)
    root.mount(PREFIX, pages)
    return root


@pytest.fixture
def sign_in(mounted: FastAPI, manager: PerDag) -> Iterator[SignIn]:
    """Make a client with a session."""

    def client(role: str | None = "admin") -> TestClient:
        made = TestClient(mounted, raise_server_exceptions=False)
        if role is not None:
            user = SimpleAuthManagerUser(username="ada", role=role)
            made.headers["Authorization"] = f"Bearer {manager.generate_jwt(user)}"
        return made

    return client


@pytest.fixture
def opened(pages: FastAPI, manager: PerDag, sign_in: SignIn) -> Opened:
    """Open the pages over a store: without more for a viewer who sees the one model of the worlds."""

    def open_(store: Store, *, role: str = "viewer", sees: Iterable[str] = (MODEL,)) -> TestClient:
        manager.shown = frozenset(f"{model}.release" for model in sees)
        pages.dependency_overrides[the_store] = lambda: store
        return sign_in(role)

    return open_


def connection(**extra: object) -> str:
    """A connection as the environment names it."""
    return json.dumps({"conn_type": "mlops", "extra": extra})
