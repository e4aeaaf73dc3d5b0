"""An endpoint that needs minutes for a change holds no worker, and is never asked twice for the same change."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.operators.rollout import ConcludeReleaseOperator, PromoteOperator, RollbackOperator
from airflow_mlops.triggers.endpoint import EndpointTrigger
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

MODEL = world.MODEL
SETTLED = {"status": "settled", "state": "InService"}


@pytest.fixture
def slow(store: Store, endpoint: FakeEndpoint) -> FakeEndpoint:
    for number in (1, 2):
        world.register(store, f"model {number}", run=f"r{number}")
    endpoint.slowest, endpoint.pending = timedelta(hours=1), 1
    return endpoint


def deferral(run: Run, operator: BaseOperator) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        run.execute(operator)
    assert isinstance(caught.value.trigger, EndpointTrigger)
    return caught.value


def proceed(run: Run, operator: Any, event: dict[str, Any]) -> Any:
    """Go on as Airflow does when the trigger has fired."""
    return operator.proceed(run.context(operator), event)


def entries(store: Store) -> list[tuple[str, int | None]]:
    return [(one.action, one.champion) for _, one in DeploymentLog(store, MODEL).log.entries()]


def test_a_promotion_waits_deferred_and_goes_on_where_it_was(store: Store, slow: FakeEndpoint) -> None:
    run = Run("r1")
    promote = PromoteOperator(task_id="promote", spec=world.spec(), version=1)
    deferred = deferral(run, promote)
    assert deferred.method_name == "proceed"
    assert deferred.timeout == timedelta(hours=1)
    assert deferred.trigger.serialize()[1] == {"mlops_conn_id": "mlops_default", "model": MODEL}
    assert slow.waited == [timedelta(seconds=10)]
    assert proceed(run, promote, SETTLED) == {"model": MODEL, "version": 1, "entry": 1}
    assert entries(store) == [("promote", 1)]


def test_a_rollback_that_is_still_under_way_is_waited_for_again(store: Store, slow: FakeEndpoint) -> None:
    log = DeploymentLog(store, MODEL)
    for number in (1, 2):
        log.rollback(to=number, who="ann", why="before", run=f"before/{number}")
    run = Run("b1", "orders.rollback")
    back = RollbackOperator(task_id="rollback", spec=world.spec(), to=1)
    slow.pending = 2
    deferral(run, back)
    with pytest.raises(TaskDeferred):
        proceed(run, back, SETTLED)
    assert proceed(run, back, SETTLED)["champion"] == 1
    assert entries(store)[2:] == [("rollback", 1)]


def test_an_endpoint_that_can_not_be_asked_is_for_the_next_try(store: Store, slow: FakeEndpoint) -> None:
    run = Run("r1")
    promote = PromoteOperator(task_id="promote", spec=world.spec(), version=1)
    deferral(run, promote)
    with pytest.raises(AirflowException, match="no way there") as caught:
        proceed(run, promote, {"status": "failed", "message": "no way there"})
    assert not isinstance(caught.value, AirflowFailException)


def test_an_endpoint_that_went_back_by_itself_is_final_and_tells_why(
    store: Store, slow: FakeEndpoint
) -> None:
    run = Run("r1")
    promote = PromoteOperator(task_id="promote", spec=world.spec(), version=1)
    slow.pending, slow.goes_back = 0, lambda desired: True
    with pytest.raises(AirflowFailException, match="alarm rang"):
        run.execute(promote)
    assert run.xcoms["promote", "refusal"]["kind"] == "DeploymentRolledBack"


def test_the_result_of_a_release_is_there_while_its_end_waits(store: Store, slow: FakeEndpoint) -> None:
    DeploymentLog(store, MODEL).promote(1, who="ann", why="first", run="orders.release/r0")
    run = Run("r1")
    conclude = ConcludeReleaseOperator(task_id="conclude", spec=world.spec())
    deferral(run, conclude)
    assert run.xcoms["conclude", "return_value"]["outcome"] == "refused"
    assert proceed(run, conclude, SETTLED)["champion"] == 1
