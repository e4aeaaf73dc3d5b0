"""The server follows the deployment log, and says what it really serves."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.errors import DeploymentFailed, EndpointError, StoreError
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import (
    ASKED_ONLY,
    MODEL,
    ROW,
    SLOW_TO_LOAD,
    SOON,
    UNLOADABLE,
    Clock,
    FakeSource,
    client,
    deploy,
    described,
    running,
)
from tests.servers.process import refusing_port
from tests.waiting import wait_until

HOUR = timedelta(hours=1)


def alone(number: int, champion: int) -> Desired:
    return Desired(number=number, mode="champion", champion=champion)


def test_all_modes_are_reconciled(endpoint: LocalEndpoint, store: FolderStore) -> None:
    assert endpoint.describe() == alone(1, 1)
    for desired in (
        deploy(store, "shadow", 1, 2),
        deploy(store, "canary", 1, 2, weight=0.1),
        deploy(store, "canary", 1, 2, weight=0.5),
        deploy(store, "promote", 2),
        deploy(store, "rollback", 1),
        deploy(store, "fallback", 1),
        deploy(store, "rollback", 2),
    ):
        if desired.number == 8:
            endpoint.reconcile(desired, SOON)
            assert endpoint.describe() == desired
            assert endpoint.invoke([ROW]).variant == "v2"


def test_each_step_is_served_when_reconcile_returns(endpoint: LocalEndpoint, store: FolderStore) -> None:
    for action, champion, challenger, weight in (
        ("shadow", 1, 2, 0.0),
        ("canary", 1, 2, 0.25),
        ("promote", 2, None, 0.0),
        ("rollback", 1, None, 0.0),
        ("fallback", 1, None, 0.0),
    ):
        desired = deploy(store, action, champion, challenger, weight=weight)  # type: ignore[arg-type]
        endpoint.reconcile(desired, SOON)
        assert endpoint.describe() == desired


def test_reconcile_waits_for_no_look_at_the_log(store: FolderStore, tmp_path: Path) -> None:
    deploy(store, "promote", 1)
    with running(store, spool=tmp_path / "spool", pace=ASKED_ONLY) as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        desired = deploy(store, "rollback", 2)
        assert endpoint.describe() == alone(1, 1)
        endpoint.reconcile(desired, SOON)
        assert endpoint.describe() == desired


def test_log_is_followed_without_a_nudge(endpoint: LocalEndpoint, store: FolderStore) -> None:
    desired = deploy(store, "canary", 1, 2, weight=0.5)
    wait_until(lambda: endpoint.describe() == desired)


def test_new_model_is_found(endpoint: LocalEndpoint, store: FolderStore, url: str) -> None:
    other = LocalEndpoint(url, "other_model", store)
    assert other.describe() == NOTHING
    desired = deploy(store, "promote", 3, model="other_model")
    other.reconcile(desired, SOON)
    assert other.invoke([ROW]).variant == "v3"
    third = deploy(store, "promote", 4, model="third_model")
    wait_until(lambda: LocalEndpoint(url, "third_model", store).describe() == third)
    with client(url) as http:
        assert http.get("/endpoints").json() == {"endpoints": [MODEL, "other_model", "third_model"]}


def test_expired_lease_means_the_champion_alone(
    endpoint: LocalEndpoint, store: FolderStore, clock: Clock
) -> None:
    desired = deploy(store, "canary", 1, 2, weight=0.99999, lease=HOUR)
    endpoint.reconcile(desired, SOON)
    assert endpoint.invoke([ROW]).variant == "v2"
    clock.move(HOUR)
    assert endpoint.invoke([ROW]).variant == "v1"
    assert endpoint.describe() == alone(2, 1)


def test_lease_ends_also_while_the_store_is_away(
    endpoint: LocalEndpoint, store: FolderStore, monkeypatch: pytest.MonkeyPatch, url: str, clock: Clock
) -> None:
    desired = deploy(store, "canary", 1, 2, weight=0.9, lease=HOUR)
    endpoint.reconcile(desired, SOON)

    def away(*args: object, **kwargs: object) -> object:
        raise StoreError("store is away")

    with monkeypatch.context() as patch:
        for verb in ("list", "read", "exists"):
            patch.setattr(FolderStore, verb, away)
        wait_until(lambda: described(url)["store_error"] == "store is away")
        assert endpoint.describe() == desired
        clock.move(HOUR)
        assert endpoint.describe() == alone(2, 1)
        with pytest.raises(EndpointError, match="503: the deployment log can't be read; given store is away"):
            endpoint.reconcile(alone(3, 1), SOON)
    endpoint.reconcile(deploy(store, "promote", 2), SOON)
    wait_until(lambda: described(url)["store_error"] is None)


def test_unloadable_challenger_leaves_the_champion_alone(
    endpoint: LocalEndpoint, store: FolderStore, source: FakeSource, url: str
) -> None:
    desired = deploy(store, "canary", 1, UNLOADABLE, weight=0.9)
    with pytest.raises(DeploymentFailed) as failed:
        endpoint.reconcile(desired, timedelta(days=1))  # says so at once, or this test does not end
    assert "version 14 of flight_delay can't be loaded: artifact is gone; bring it back" in str(failed.value)
    assert "given champion (deployment 2), champion 1" in str(failed.value)
    assert endpoint.describe() == alone(2, 1)
    shown = described(url)
    assert shown["asked"]["challenger"] == UNLOADABLE
    assert "artifact is gone" in shown["error"]
    source.mended = True
    wait_until(lambda: endpoint.describe() == desired)
    assert described(url)["error"] is None


def test_unloadable_champion_leaves_the_old_one(endpoint: LocalEndpoint, store: FolderStore) -> None:
    endpoint.reconcile(deploy(store, "canary", 1, 2, weight=0.9), SOON)
    with pytest.raises(DeploymentFailed, match="artifact is gone"):
        endpoint.reconcile(deploy(store, "rollback", UNLOADABLE), SOON)
    assert endpoint.describe() == alone(2, 1)  # the old entry's champion, without its challenger
    assert endpoint.invoke([ROW]).variant == "v1"


def test_without_any_loadable_champion_the_rule_answers(
    store: FolderStore, source: FakeSource, tmp_path: Path
) -> None:
    deploy(store, "promote", UNLOADABLE)
    with running(store, source, spool=tmp_path / "spool") as url:
        endpoint = LocalEndpoint(url, MODEL, store)
        assert endpoint.describe() == Desired(number=1, mode="fallback", champion=None)
        assert endpoint.invoke([ROW]).variant == "fallback"


def test_rollback_does_not_wait_for_a_version_that_loads(
    endpoint: LocalEndpoint, store: FolderStore, source: FakeSource, url: str
) -> None:
    deploy(store, "shadow", 1, SLOW_TO_LOAD)
    wait_until(lambda: SLOW_TO_LOAD in source.loads)
    desired = deploy(store, "rollback", 1)
    endpoint.reconcile(desired, SOON)
    assert endpoint.describe() == desired
    assert described(url)["loading"] == [SLOW_TO_LOAD]


def test_superseded_deployment_is_not_waited_for(endpoint: LocalEndpoint, store: FolderStore) -> None:
    old = deploy(store, "promote", 2)
    deploy(store, "promote", 3)
    with pytest.raises(DeploymentFailed, match="deployment 3 came after it"):
        endpoint.reconcile(old, SOON)


def test_server_of_another_store_is_found_out(url: str, tmp_path: Path) -> None:
    other = FolderStore(tmp_path / "other")
    desired = deploy(other, "promote", 1, model="elsewhere")
    with pytest.raises(DeploymentFailed, match=r"not within 0\.2 s.*does the server follow this store"):
        LocalEndpoint(url, "elsewhere", other).reconcile(desired, timedelta(seconds=0.2))


def test_broken_log_of_one_model_does_not_stop_the_others(
    endpoint: LocalEndpoint, store: FolderStore, url: str
) -> None:
    store.create("models/aaa_broken/deployments/0000000001.json", b"{")
    store.create(f"models/{MODEL}/deployments/0000000002.json", b"{}")
    wait_until(lambda: described(url)["store_error"])
    assert endpoint.invoke([ROW]).variant == "v1"
    desired = deploy(store, "promote", 2, model="zzz_model")
    wait_until(lambda: LocalEndpoint(url, "zzz_model", store).describe() == desired)


def test_model_changes_drop_no_request(endpoint: LocalEndpoint, store: FolderStore, url: str) -> None:
    answers: Counter[tuple[int, str]] = Counter()
    stop = threading.Event()

    def call() -> None:
        with client(url) as http:
            while not stop.is_set():
                response = http.post(endpoint.url, json=[ROW])
                answers[response.status_code, response.headers["x-amzn-invoked-production-variant"]] += 1

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in range(1, 10):
            endpoint.reconcile(deploy(store, "promote", version), SOON)
            wait_until(lambda version=version: answers[200, f"v{version}"])
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    assert answers.keys() == {(200, f"v{version}") for version in range(1, 10)}


def test_no_server_says_how_to_start_one(store: FolderStore) -> None:
    with (
        refusing_port() as port,
        pytest.raises(EndpointError, match="start it with: airflow-mlops serve --store file://"),
    ):
        LocalEndpoint(f"http://127.0.0.1:{port}", MODEL, store).describe()
