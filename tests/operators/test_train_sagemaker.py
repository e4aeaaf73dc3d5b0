"""A task that trains in a job: deferred or not, tried again, cleared, killed; and the model is the same."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred
from airflow.utils.state import TaskInstanceState

from airflow_mlops.core.aws import async_clients, patience
from airflow_mlops.core.store.results import recall
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.sagemaker.jobs import SageMakerTraining
from airflow_mlops.core.training.sagemaker.starting import Starter
from airflow_mlops.operators.model import TrainOperator
from airflow_mlops.testing.sagemaker import Fault
from airflow_mlops.triggers.training import TrainingTrigger
from tests.core.aws.world import simulated
from tests.core.training.sagemaker_world import FAIL, IMAGE, ROLE, SLEEP, Jobs, orders
from tests.operators.world import Run
from tests.servers import S3Server, ministack

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    with ministack() as server:
        yield server


@pytest.fixture
def jobs(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Connections to a simulator, and jobs that run ``jobs.script`` where that is set."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(patience, "FIRST", 0.05)
    monkeypatch.setattr(patience, "LONGEST", 0.1)
    monkeypatch.setattr(async_clients, "LINGER", 0.3)
    with simulated(contextlib.nullcontext(s3_server)) as aws:
        jobs = orders(aws, tmp_path)
        ours = Starter._our_code
        monkeypatch.setattr(
            Starter,
            "_our_code",
            lambda self, source, spec: ours(self, source, spec) if jobs.script is None else jobs._uploaded(),
        )
        _connect(monkeypatch, jobs, s3_server)
        yield jobs


def _connect(monkeypatch: pytest.MonkeyPatch, jobs: Jobs, server: S3Server) -> None:
    mlops = {
        "store": jobs.store.uri,
        "data": f"s3://{jobs.aws.bucket}/data",
        "trainer": "sagemaker",
        "aws_conn_id": "aws_sim",
        "sagemaker": {"role_arn": ROLE, "training": {"image": IMAGE}},
    }
    aws = {
        "region_name": jobs.aws.aws.region,
        "endpoint_url": jobs.aws.sagemaker.url,
        "service_config": {"s3": {"endpoint_url": server.endpoint}},
    }
    keys = {"login": server.access_key, "password": server.secret_key}
    monkeypatch.setenv("AIRFLOW_CONN_MLOPS_DEFAULT", json.dumps({"conn_type": "mlops", "extra": mlops}))
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SIM", json.dumps({"conn_type": "aws", **keys, "extra": aws}))


def train(jobs: Jobs, **arguments: Any) -> TrainOperator:
    dataset = {"dataset": jobs.version.name, "id": jobs.version.id}
    return TrainOperator(task_id="train", spec=jobs.spec, dataset=dataset, **arguments)


def deferral(run: Run, operator: TrainOperator) -> TrainingTrigger:
    with pytest.raises(TaskDeferred) as caught:
        run.execute(operator)
    assert caught.value.method_name == "resume"
    assert caught.value.timeout is None, "Airflow would leave the job alone"
    trigger = caught.value.trigger
    assert isinstance(trigger, TrainingTrigger)
    return TrainingTrigger(**json.loads(json.dumps(trigger.serialize()[1])))


def fired(trigger: TrainingTrigger) -> Any:
    async def first() -> Any:
        events = [event.payload async for event in trigger.run()]
        await asyncio.sleep(2 * async_clients.LINGER)  # clients close before their loop does
        return events

    (event,) = asyncio.run(first())
    return event


def running(jobs: Jobs, job: str) -> None:
    """Wait until the job's program runs."""
    jobs.until(job, "ready")


class TestDeferred:
    @pytest.mark.slow
    def test_the_model_is_that_of_a_training_here(self, jobs: Jobs, run: Run) -> None:
        operator = train(jobs)
        trigger = deferral(run, operator)
        result = run.resume(operator, fired(trigger))
        here = jobs.trained_here()
        assert result["artifact"] == here.artifact
        assert (result["rows"], result["rounds"]) == (here.train_rows, here.rounds)
        assert (result["job"], result["billable_seconds"] > 0) == (trigger.job, True)
        assert recall(jobs.store, result["ref"], TrainedModel).artifact == here.artifact
        lineage = operator.get_openlineage_facets_on_complete(TaskInstanceState.SUCCESS)
        assert [one.name for one in lineage.outputs] == ["orders/candidate"]

    def test_a_retry_takes_up_the_job_of_the_first_try(self, jobs: Jobs, run: Run) -> None:
        jobs.script = SLEEP
        run.max_tries = 2
        first = deferral(run, train(jobs, retries=2)).job
        assert deferral(run, train(jobs, retries=2)).job == first
        assert jobs.names() == [first]

    def test_a_cleared_task_begins_a_new_job(self, jobs: Jobs, run: Run) -> None:
        jobs.script = SLEEP
        first = deferral(run, train(jobs)).job
        run.max_tries += 1
        assert deferral(run, train(jobs)).job != first

    def test_a_job_that_has_completed_meanwhile_is_not_waited_for(self, jobs: Jobs, run: Run) -> None:
        jobs.leaves(jobs.trained_here())
        job = deferral(run, train(jobs)).job
        jobs.wait(job)
        assert run.execute(train(jobs))["job"] == job

    def test_a_failure_of_the_model_is_final_and_in_one_line(self, jobs: Jobs, run: Run) -> None:
        jobs.script = FAIL
        operator = train(jobs)
        event = fired(deferral(run, operator))
        with pytest.raises(AirflowFailException, match="XGBoost refuses; given max_dept"):
            run.resume(operator, event)
        assert run.refusal("train")["kind"] == "TrainingError"

    def test_without_machines_the_next_try_has_a_new_job(self, jobs: Jobs, run: Run) -> None:
        jobs.leaves(jobs.trained_here())
        jobs.aws.sagemaker.order(Fault(kind="capacity"))
        operator = train(jobs)
        trigger = deferral(run, operator)
        with pytest.raises(AirflowException, match="no such machines free now") as caught:
            run.resume(operator, fired(trigger))
        assert not isinstance(caught.value, AirflowFailException)
        again = train(jobs)
        second = deferral(run, again)
        assert second.job != trigger.job
        assert run.resume(again, fired(second))["job"] == second.job

    def test_a_job_that_a_person_stopped_is_told(self, jobs: Jobs, run: Run) -> None:
        jobs.script = SLEEP
        operator = train(jobs)
        trigger = deferral(run, operator)
        running(jobs, trigger.job)
        jobs.training().stop(trigger.job)
        with pytest.raises(AirflowFailException, match="was stopped by somebody"):
            run.resume(operator, fired(trigger))

    def test_the_time_of_the_task_holds_for_the_job(self, jobs: Jobs, run: Run) -> None:
        jobs.script = SLEEP
        operator = train(jobs, execution_timeout=timedelta(hours=1))
        trigger = deferral(run, operator)
        assert trigger.deadline is not None
        assert 3000 < trigger.deadline - time.time() <= 3600
        trigger.deadline = time.time() - 1
        with pytest.raises(AirflowFailException, match="execution_timeout 1:00:00"):
            run.resume(operator, fired(trigger))
        assert jobs.wait(trigger.job).state == "Stopped"


class TestNotDeferred:
    def test_it_waits_in_the_worker(self, jobs: Jobs, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        jobs.leaves(jobs.trained_here())
        operator = train(jobs, deferrable=False)
        monkeypatch.setattr(operator, "progress", jobs.said.append)
        result = run.execute(operator)
        assert result["artifact"] == jobs.trained_here().artifact
        assert any(line.startswith(f"{result['job']}: Training") for line in jobs.said)
        assert "[algo-1] training" in jobs.said
        assert "billed" in jobs.said[-1]

    def test_a_killed_task_stops_its_job(self, jobs: Jobs, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """As on SIGTERM: the handler calls on_kill, then the task goes on where it was."""
        jobs.script = SLEEP
        operator = train(jobs, deferrable=False)
        look = SageMakerTraining.look

        def killed(self: SageMakerTraining, job: str, heard: Any = None) -> Any:
            if not operator._killed:
                operator.on_kill()
            return look(self, job, heard)

        monkeypatch.setattr(SageMakerTraining, "look", killed)
        with pytest.raises(AirflowException, match="the task was killed"):
            run.execute(operator)
        (job,) = jobs.names()
        assert jobs.wait(job).state == "Stopped"

    def test_a_task_killed_while_it_asks_for_its_job_leaves_none_running(
        self, jobs: Jobs, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs.script = SLEEP
        operator = train(jobs)
        created = Starter._created

        def killed(self: Starter, *arguments: Any) -> bool:
            operator.on_kill()
            return created(self, *arguments)

        monkeypatch.setattr(Starter, "_created", killed)
        with pytest.raises(AirflowException, match="the task was killed"):
            run.execute(operator)
        (job,) = jobs.names()
        assert jobs.wait(job).state == "Stopped"

    def test_killing_a_task_that_has_no_job_does_nothing(self, jobs: Jobs) -> None:
        train(jobs).on_kill()
        assert jobs.names() == []
