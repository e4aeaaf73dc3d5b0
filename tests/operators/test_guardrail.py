"""A promotion by SageMaker's own canary, as tasks: what SageMaker takes back fails the task, with its reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout import conduct
from airflow_mlops.operators import base
from airflow_mlops.operators.rollout import ConcludeReleaseOperator, PromoteOperator
from airflow_mlops.platform import Platform
from airflow_mlops.triggers.endpoint import EndpointTrigger
from tests.core.registry import world as registered
from tests.core.serving import fakes
from tests.core.serving.sagemaker.conftest import Place, make_place, world
from tests.operators.world import Run
from tests.waiting import wait_until

__all__ = ["make_place", "world"]

SETTLED = {"status": "settled", "state": "InService"}
GUARDED = {"strategy": "guardrail", "guardrail": {"size": 50, "bake": "5m"}}


@pytest.fixture
def place(
    make_place: Callable[..., Place],
    connect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Place:
    """Version 1 is the champion; the newest, a failing one, stands in shadow by the log and was judged good."""
    place = make_place(hosting=GUARDED)
    connect()
    monkeypatch.setattr(registered, "MODEL", fakes.MODEL)
    monkeypatch.setattr(Platform, "store", lambda platform: place.store)
    monkeypatch.setattr(Platform, "endpoint", lambda platform, model, store=None: place.endpoint())
    monkeypatch.setattr(base, "_LOOK", timedelta(0))
    monkeypatch.setattr(base.Work, "registered", lambda work, version: work)
    monkeypatch.setattr(conduct, "require_proof", lambda *about: None)
    registered.register_many(place.store, fakes.FAILING)
    place.deploy("promote", 1)
    DeploymentLog(place.store, fakes.MODEL).challenge(
        fakes.FAILING, weight=0.0, lease=timedelta(hours=1), who="ann", why="test", run="orders.release/r2"
    )
    return place


def test_a_promotion_that_sagemaker_takes_back_fails_the_task_with_the_reason(place: Place) -> None:
    run, spec = Run("r2"), registered.spec(name=fakes.MODEL)
    promote = PromoteOperator(task_id="promote", spec=spec, version=fakes.FAILING)
    with pytest.raises(TaskDeferred) as deferred:
        run.execute(promote)
    assert isinstance(deferred.value.trigger, EndpointTrigger)

    wait_until(lambda: _answers_of(place) == {"v1", "an error"})
    place.world.sagemaker.advance(timedelta(minutes=2))
    wait_until(lambda: place.described()["EndpointStatus"] == "InService")
    with pytest.raises(AirflowFailException, match="alarm") as failed:
        promote.proceed(run.context(promote), SETTLED)
    assert "champion 1" in str(failed.value)

    refusal = run.xcoms["promote", "refusal"]
    assert (refusal["kind"], "alarm" in refusal["reason"]) == ("DeploymentRolledBack", True)
    entries = [one for _, one in DeploymentLog(place.store, fakes.MODEL).log.entries()]
    assert [(one.action, one.champion) for one in entries[-2:]] == [
        ("promote", fakes.FAILING),
        ("rollback", 1),
    ]
    assert entries[-1].who == "endpoint"
    conclude = ConcludeReleaseOperator(task_id="conclude", spec=spec, tasks=["promote"])
    run.xcoms["register", "return_value"] = {"version": fakes.FAILING}
    told = run.execute(conclude)
    assert (told["outcome"], told["champion"], told["task"]) == ("refused", 1, "promote")
    assert place.endpoint().describe().champion == 1


def _answers_of(place: Place) -> set[str]:
    """Who answers forty requests."""
    found, endpoint = set(), place.endpoint()
    for _ in range(40):
        try:
            found.add(endpoint.invoke([fakes.ROW]).variant)
        except EndpointError:
            found.add("an error")
    return found
