"""The tab on Airflow's pages of DAGs and runs, and the way from a button into Airflow's frame."""

from __future__ import annotations

from datetime import datetime, timezone
from urllib.parse import quote

import pytest

from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import ReleaseEvent, note_release
from airflow_mlops.core.registry.version import RunRef
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.links.addresses import model_page, stored_page, version_page
from tests.core.registry import world
from tests.ui.conftest import BELOW, HERE, PerDag, SignIn

RUN = "manual__2026-01-01T00:00:00+00:00"
DAG = "orders.release"
TAB = f"{HERE}/dags/{DAG}/runs/{quote(RUN, safe='')}"
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def released(store: Store) -> Store:
    """Version 1 of another run, and a release that registered version 2, brought it in and was refused."""
    key = f"{DAG}/{RUN}"
    world.register(store, "one", run="earlier")
    Registry(store, "orders").register(
        trained=world.trained(store, "two"),
        evaluation=world.evaluation(),
        dataset=world.DATASET,
        spec=world.spec(),
        validation=None,
        run=RunRef(dag_id=DAG, run_id=RUN),
        by="ann",
    )
    note_release(store, "orders", ReleaseEvent(run=key, event="began", at=START))
    DeploymentLog(store, "orders").log.append(
        Deployment(
            action="canary", champion=1, challenger=2, weight=0.1, who="a", why="<b>x</b>", run=key, at=START
        ),
        after=0,
    )
    note_release(
        store, "orders", ReleaseEvent(run=key, event="refused", version=2, reason="auc fell", at=START)
    )
    return store


def test_a_run_shows_what_it_did(released: Store, sign_in: SignIn) -> None:
    answer = sign_in("viewer").get(TAB)
    assert answer.status_code == 200
    for words in (
        "the release began",
        "version 2 took 10% of the requests",
        "the release was refused; auc fell",
        f'href="{HERE}/models/orders/versions/2"',
        f'href="{HERE}/models/orders"',
    ):
        assert words in answer.text, words
    assert "<b>x" not in answer.text


def test_a_run_that_is_not_in_the_records_says_so(released: Store, sign_in: SignIn) -> None:
    assert "do not name this run" in sign_in().get(f"{HERE}/dags/{DAG}/runs/other").text


def test_a_model_without_a_release_says_so(store: Store, sign_in: SignIn) -> None:
    assert "knows nothing of this model yet" in sign_in().get(TAB).text


def test_the_tab_of_a_dag_is_the_page_of_its_model(sign_in: SignIn, store: Store) -> None:
    answer = sign_in().get(f"{HERE}/dags/orders.monitor", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, f"{HERE}/models/orders")


@pytest.mark.parametrize("dag_id", ["etl", "orders.reports", "Not-a-Model.release", ".release"])
def test_a_dag_of_somebody_elses_is_told_politely(dag_id: str, sign_in: SignIn, store: Store) -> None:
    for path in (f"{HERE}/dags/{dag_id}", f"{HERE}/dags/{dag_id}/runs/{quote(RUN)}"):
        answer = sign_in().get(path)
        assert answer.status_code == 200
        assert "Nothing to show here" in answer.text


def test_who_may_not_see_the_model_learns_nothing(released: Store, sign_in: SignIn, manager: PerDag) -> None:
    manager.hidden = frozenset({DAG})
    assert sign_in().get(TAB).status_code == 404
    other = sign_in().get(f"{HERE}/dags/orders.monitor/runs/{quote(RUN)}")
    assert "Nothing to show here" in other.text
    assert "versions/2" not in other.text


@pytest.mark.parametrize("path", [TAB, f"{HERE}/dags/{DAG}", f"{HERE}/open/models/orders"])
def test_without_a_session_nothing_is_shown(path: str, sign_in: SignIn, store: Store) -> None:
    assert sign_in(None).get(path, follow_redirects=False).status_code == 401


@pytest.mark.parametrize(
    "address",
    [
        model_page("orders"),
        version_page("orders", 3),
        stored_page("orders", "data-docs", "0f" * 32, of="0f" * 32),
    ],
)
def test_a_button_opens_our_page_within_airflows_frame(address: str, sign_in: SignIn) -> None:
    answer = sign_in().get(f"{BELOW}/{address}", follow_redirects=False)
    assert answer.status_code == 307
    path = address.removeprefix("mlops/open/")
    assert answer.headers["location"] == f"{BELOW}/plugin/models{HERE}/{path}"


@pytest.mark.parametrize("path", ["", "/elsewhere.example", "models/orders/%2e%2e/x", "static/page.js"])
def test_nothing_else_is_opened(path: str, sign_in: SignIn) -> None:
    assert sign_in().get(f"{HERE}/open/{path}", follow_redirects=False).status_code == 404


def test_the_report_of_a_model_that_was_refused_is_shown(store: Store, sign_in: SignIn) -> None:
    report, other = (put_bytes(store, text.encode()) for text in ("<p>auc fell</p>", "<p>of another</p>"))
    refused = ReleaseEvent(run=f"{DAG}/{RUN}", event="refused", reason="auc fell", report=report, at=START)
    note_release(store, "orders", refused)
    address = stored_page("orders", "evaluation", report).replace("open/", "")
    shown = sign_in().get(f"{BELOW}/{address}")
    assert (shown.status_code, shown.text) == (200, "<p>auc fell</p>")
    assert shown.headers["content-security-policy"].startswith("sandbox")
    assert sign_in().get(f"{BELOW}/{address.replace(report, other)}").status_code == 404
