from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from airflow_mlops.core.doctor import endpoint as looking
from airflow_mlops.core.doctor.endpoint import check_deployments, check_server
from airflow_mlops.core.doctor.leases import check_leases
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.local import LocalEndpoint
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import ASKED_ONLY, MODEL, deploy, running

NOWHERE = "http://127.0.0.1:1"


def states(store: FolderStore, url: str, token: str | None = None) -> list[tuple[str, str]]:
    found = check_deployments(store, lambda name: LocalEndpoint(url, name, store, token), 60)
    return [(one.state, one.said) for one in found]


def test_a_wrong_token_is_told_and_not_shown(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    deploy(store, "promote", 1)
    with running(store, spool=tmp_path / "spool", token="s3cret") as url:
        for token, said in (("wr0ng", "a wrong token was given"), (None, "no token was given")):
            (found,) = check_server(url, token, store.uri)
            assert (found.state, said in found.said) == ("problem", True)
            assert not {"s3cret", "wr0ng"} & set(found.said.replace(":", " ").split())
        (found,) = check_server(url, "s3cret", store.uri)
        assert (found.state, found.said) == ("ok", f"{url} answers, the token is right, it serves {MODEL}")
        assert [state for state, _ in states(store, url, "wr0ng")] == ["problem"]


def test_what_serves_is_held_against_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path / "store")
    assert states(store, NOWHERE) == [("ok", "no model was deployed yet")]
    deploy(store, "promote", 1)
    with running(store, spool=tmp_path / "spool", pace=ASKED_ONLY) as url:
        assert [one.state for one in check_server(url, "needless", store.uri)] == ["ok", "warning"]
        LocalEndpoint(url, MODEL, store).reconcile(
            DeploymentLog(store, MODEL).desired(), timedelta(seconds=60)
        )
        assert [state for state, _ in states(store, url)] == ["ok"]
        deploy(store, "promote", 2)  # the server looks at the log only when it is asked to
        monkeypatch.setattr(looking, "_PATIENCE", 0.3)
        ((state, said),) = states(store, url)
        assert state == "problem"
        assert "serves champion (deployment 1), champion 1" in said
        assert "expected champion (deployment 2), champion 2" in said
        assert f"{MODEL}.monitor" in said


def test_nobody_answers(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    (found,) = check_server(NOWHERE, None, store.uri)
    assert (found.state, f"airflow-mlops serve --store {store.uri}" in found.said) == ("problem", True)
    for model in ("a", "b"):
        deploy(store, "promote", 1, model=model)
    assert [state for state, _ in states(store, NOWHERE)] == ["problem"]  # one cause, told once


def test_rollouts_that_were_left_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert [one.state for one in check_leases(store)] == ["ok"]
    deploy(store, "shadow", 1, 2, model="running")
    (found,) = check_leases(store)
    assert found.said.startswith("1 rollout in progress")
    deploy(store, "canary", 1, 3, weight=0.1, lease=timedelta(hours=-1), model="dead")
    (found,) = check_leases(store)
    assert (found.state, found.found.startswith("dead: the time of version 3 in canary")) == ("warning", True)
    DeploymentLog(store, "running").hold(lease=timedelta(hours=1), who="ann", why="sale", run="x")
    held = [one.said for one in check_leases(store) if "running" in one.said]
    assert "held in shadow by ann" in held[0]
