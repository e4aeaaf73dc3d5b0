"""The first task of a monitor: prove what serves, and replace a champion that can't answer."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from airflow_mlops.core.errors import DeploymentFailed
from airflow_mlops.core.registry.deployments import DeploymentLog, Desired
from airflow_mlops.core.rollout.healing import Healing
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.links.endpoint import EndpointLink
from airflow_mlops.operators.healing import HealOperator
from airflow_mlops.spec import ModelSpec
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.core.serving.fakes import MODEL
from tests.core.serving.real_models import register
from tests.core.training.world import spec_of
from tests.operators.world import Run


def spec(**serving: Any) -> ModelSpec:
    return spec_of(name=MODEL, serving={"fallback": {"default": 0.2}, **serving})


@pytest.fixture
def log(store: Store) -> DeploymentLog:
    """Version 2 is the champion after version 1."""
    register(store, 1)
    register(store, 2)
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="t", why="w", run="r1")
    log.rollback(to=2, who="t", why="w", run="r2")
    return log


@pytest.fixture
def broken(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> FakeEndpoint:
    """Can't load version 2."""
    reconcile = endpoint.reconcile

    def without(desired: Desired, timeout: Any) -> None:
        if desired.champion == 2:
            raise DeploymentFailed("version 2 can't be loaded", versions=(2,))
        reconcile(desired, timeout)

    monkeypatch.setattr(endpoint, "reconcile", without)
    endpoint.requests = 0
    return endpoint


def heal(run: Run, spec: ModelSpec) -> dict[str, Any]:
    result: dict[str, Any] = run.execute(HealOperator(task_id="heal", spec=spec))
    return result


def test_a_healthy_champion(store: Store, log: DeploymentLog, run: Run, endpoint: FakeEndpoint) -> None:
    told = heal(run, spec())
    assert told["reason"].startswith("version 2 failed 0 of 600 requests since ")
    shown = {name: told[name] for name in ("champion", "mode", "entry", "healthy", "switched", "sick")}
    assert shown == {
        "champion": 2,
        "mode": "champion",
        "entry": 2,
        "healthy": True,
        "switched": False,
        "sick": None,
    }
    assert recall(store, told["ref"], Healing).reason == told["reason"]
    assert endpoint.serves.champion == 2
    assert run.xcoms["heal", EndpointLink.key] == endpoint.page


def test_a_champion_that_can_not_be_loaded(
    store: Store, log: DeploymentLog, run: Run, broken: FakeEndpoint
) -> None:
    told = heal(run, spec())
    assert (told["champion"], told["switched"], told["sick"], told["healthy"]) == (1, True, 2, True)
    assert broken.serves.champion == 1
    assert heal(run, spec())["switched"], "a retry tells it again"
    assert log.log.last_number() == 3


def test_by_rule(store: Store, log: DeploymentLog, run: Run, broken: FakeEndpoint) -> None:
    told = heal(run, spec(health={"then": "rule"}))
    assert (told["champion"], told["mode"], told["switched"]) == (None, "fallback", True)
    assert told["healthy"] is False


def test_nobody_left(store: Store, run: Run, broken: FakeEndpoint) -> None:
    register(store, 1)
    register(store, 2)
    DeploymentLog(store, MODEL).promote(2, who="t", why="w", run="r")
    told = heal(run, spec(fallback=None))
    assert (told["champion"], told["switched"], told["sick"], told["healthy"]) == (2, False, 2, False)
    assert ("heal", EndpointLink.key) not in run.xcoms, "nothing proves that it serves"


def test_another_failure_fails_the_task_and_may_be_tried_again(
    store: Store, log: DeploymentLog, run: Run, endpoint: FakeEndpoint
) -> None:
    endpoint.refuses = lambda desired: True
    with pytest.raises(AirflowException, match="can't load it"):
        heal(run, spec())
    assert run.refusal("heal")["kind"] == "DeploymentFailed"
    assert log.log.last_number() == 2
