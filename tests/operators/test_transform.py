"""A task that predicts a dataset version: deferred, tried again, cleared, killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.transform_rows import read_predictions
from airflow_mlops.operators.transform import BatchTransformOperator
from airflow_mlops.testing.sagemaker import Fault
from airflow_mlops.triggers.transform import TransformTrigger
from tests.core.serving.transform_world import Batch, batches, connect
from tests.operators.world import Run

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder = tmp_path_factory.mktemp("batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        with batches(folder) as batch:
            DeploymentLog(batch.store, "orders").promote(1, who="ann", why="first version", run="r1")
            yield batch


@pytest.fixture
def batch(world: Batch, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Connections to the world, and triggers that look often."""
    connect(world, monkeypatch)
    return world


def task(batch: Batch, **fields: Any) -> BatchTransformOperator:
    given = {"dataset": batch.dataset.name, "id": batch.dataset.id}
    return BatchTransformOperator(
        task_id="score", spec=batch.spec, mlops_conn_id="mlops_sim", dataset=given, **fields
    )


def deferred(run: Run, operator: BatchTransformOperator) -> TransformTrigger:
    with pytest.raises(TaskDeferred) as caught:
        run.execute(operator)
    assert caught.value.method_name == "resume"
    assert isinstance(caught.value.trigger, TransformTrigger)
    return caught.value.trigger


def fired(trigger: TransformTrigger) -> dict[str, Any]:
    """What the trigger says, after a way through the database."""
    path, arguments = trigger.serialize()
    assert path == f"{TransformTrigger.__module__}.TransformTrigger"

    async def first() -> Any:
        async for event in TransformTrigger(**json.loads(json.dumps(arguments))).run():
            return event.payload
        return None

    event: dict[str, Any] = asyncio.run(asyncio.wait_for(first(), 120))
    return event


def test_the_champion_predicts_deferred(batch: Batch) -> None:
    run, operator = Run("whole"), task(batch)
    trigger = deferred(run, operator)
    assert deferred(run, task(batch)).job == trigger.job, "a retry finds its job"
    event = fired(trigger)
    assert event == {"status": "ended", "job": trigger.job, "message": ""}
    result = run.resume(task(batch), event)
    assert (result["version"], result["rows"]) == (1, 1200)
    assert list(read_predictions(batch.store, result["prefix"])) == pytest.approx(batch.expected())
    assert run.execute(task(batch)) == result, "a retry of a finished one has nothing to wait for"


def test_a_failed_job_is_followed_by_another_at_the_next_try(batch: Batch) -> None:
    run = Run("failing")
    batch.world.sagemaker.order(Fault("capacity", "CreateTransformJob"))
    trigger = deferred(run, task(batch))
    event = fired(trigger)
    with pytest.raises(AirflowException, match=f"transform job {trigger.job} is Failed"):
        run.resume(task(batch), event)
    assert run.refusal("score")["kind"] == "EndpointError"
    assert deferred(run, task(batch)).job != trigger.job


def test_a_cleared_task_begins_anew(batch: Batch) -> None:
    run = Run("cleared")
    first = deferred(run, task(batch)).job
    run.max_tries += 1
    assert deferred(run, task(batch)).job != first


def test_killed_while_it_is_deferred(batch: Batch) -> None:
    trigger = deferred(Run("killed"), task(batch))
    asyncio.run(trigger.on_kill())
    assert fired(trigger)["status"] == "ended"
    assert batch.transform("any").describe(trigger.job).status in ("Stopped", "Completed")


def test_killed_while_it_works(batch: Batch) -> None:
    run, operator = Run("on-kill"), task(batch)
    job = deferred(run, operator).job
    operator.on_kill()
    assert batch.transform("any").describe(job).status in ("Stopping", "Stopped", "Completed")
    task(batch).on_kill()


def test_mistakes_fail_at_once(batch: Batch) -> None:
    with pytest.raises(AirflowFailException, match="orders has no version 7"):
        Run("version").execute(task(batch, version=7))
    other = task(batch)
    other.dataset = {"dataset": "orders", "id": "none"}
    with pytest.raises(AirflowFailException, match="dataset version orders@none is not in"):
        Run("dataset").execute(other)


def test_who_can_not_ask_says_so(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    event = fired(TransformTrigger(mlops_conn_id="mlops_sim", job="no-such-job"))
    assert (event["status"], event["job"]) == ("failed", "no-such-job")
    with pytest.raises(AirflowException, match="describe transform job no-such-job"):
        Run("lost").resume(task(batch), event)
