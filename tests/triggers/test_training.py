"""The trigger follows a job until it has ended, and stops it when a person ends the task: never at a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from airflow.jobs import triggerer_job_runner
from airflow.jobs.triggerer_job_runner import TriggerRunner
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_mlops.core.aws import patience
from airflow_mlops.triggers.training import TrainingTrigger

JOB = "mlops-orders-1"
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "x")
GONE = ClientError(
    {"Error": {"Code": "ValidationException", "Message": "Requested resource not found."}}, "x"
)
ENDED = ClientError(
    {
        "Error": {
            "Code": "ValidationException",
            "Message": "The request was rejected because the training job is in status Stopped.",
        }
    },
    "StopTrainingJob",
)


class Aws:
    """A job whose secondary state is the next of these at each look; the last one stays."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)
        self.past: list[str] = []
        self.lines: list[str] = []
        self.stopped: list[str] = []
        self.refuses: Exception | None = None

    @asynccontextmanager
    async def async_client(self, service: str) -> AsyncIterator[Aws]:
        yield self

    async def describe_training_job(self, **params: Any) -> Any:
        now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(now, Exception):
            raise now
        if not self.past or self.past[-1] != now:
            self.past.append(now)
        return {
            "TrainingJobName": params["TrainingJobName"],
            "TrainingJobStatus": now if now in ("Completed", "Failed", "Stopped") else "InProgress",
            "SecondaryStatus": now,
            "SecondaryStatusTransitions": [{"Status": one, "StatusMessage": ""} for one in self.past],
        }

    async def describe_log_streams(self, **params: Any) -> Any:
        return {"logStreams": [{"logStreamName": f"{JOB}/algo-1-7"}]}

    async def get_log_events(self, **params: Any) -> Any:
        start = int(params.get("nextToken") or 0)
        return {
            "events": [{"message": line} for line in self.lines[start:]],
            "nextForwardToken": str(len(self.lines)),
        }

    async def stop_training_job(self, **params: Any) -> Any:
        self.stopped.append(params["TrainingJobName"])
        if self.refuses:
            raise self.refuses
        return {}


def trigger_of(aws: Aws, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> TrainingTrigger:
    monkeypatch.setattr(patience, "FIRST", 0.001)
    monkeypatch.setattr(patience, "LONGEST", 0.001)
    trigger = TrainingTrigger(mlops_conn_id="m", job=JOB, **arguments)
    monkeypatch.setattr(trigger, "_reach", lambda: (aws, None))
    return trigger


def fired(trigger: TrainingTrigger) -> Any:
    async def all_of() -> Any:
        return [event.payload async for event in trigger.run()]

    (event,) = json.loads(json.dumps(asyncio.run(all_of())))
    return event


def test_it_can_be_written_down() -> None:
    arguments = {"mlops_conn_id": "m", "job": JOB, "heard": {"changes": 2}, "deadline": 17.5}
    path, written = TrainingTrigger(**arguments).serialize()
    assert path == "airflow_mlops.triggers.training.TrainingTrigger"
    assert json.loads(json.dumps(written)) == arguments


@pytest.mark.parametrize("end", ["Completed", "Failed", "Stopped"])
def test_it_fires_when_the_job_has_ended(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    event = fired(trigger_of(Aws("Starting", "Training", "Training", end), monkeypatch))
    assert (event["status"], event["job"]) == ("ended", JOB)


def test_states_and_lines_are_said_once_and_the_task_goes_on_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aws = Aws("Starting", "Training", "Training", "Completed")
    aws.lines = ["round 1 of 2", "round 2 of 2"]
    trigger = trigger_of(aws, monkeypatch)
    said: list[str] = []
    monkeypatch.setattr(trigger.log, "info", lambda text, *values: said.append(text % values))
    event = fired(trigger)
    assert [line for line in said if "algo" in line] == ["[algo-1] round 1 of 2", "[algo-1] round 2 of 2"]
    assert [line for line in said if line.startswith(JOB)] == [
        f"{JOB}: Starting",
        f"{JOB}: Training",
        f"{JOB}: Completed",
    ]
    assert event["heard"]["changes"] == 3
    assert event["heard"]["streams"] == {f"{JOB}/algo-1-7": "2"}


def test_a_passing_fault_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [THROTTLED, EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), GONE] * 4
    assert fired(trigger_of(Aws(*faults, "Training", "Completed"), monkeypatch))["status"] == "ended"


def test_it_gives_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    event = fired(trigger_of(Aws(THROTTLED), monkeypatch))
    assert event["status"] == "failed"
    assert "Rate exceeded" in event["message"]


def test_it_fires_when_the_time_of_the_task_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fired(trigger_of(Aws("Training"), monkeypatch, deadline=1.0))["status"] == "late"


class TestItsEnd:
    """In Airflow's own triggerer."""

    def end(self, trigger: TrainingTrigger, message: str | None) -> None:
        """Run the trigger in a triggerer, and cancel it while it waits."""

        async def triggerer() -> None:
            runner = TriggerRunner()
            task = asyncio.ensure_future(runner.run_trigger(1, trigger))
            runner.triggers[1] = {"task": task, "name": "training", "events": 0}  # type: ignore[typeddict-item]
            while trigger.heard is None:
                await asyncio.sleep(0.01)
            task.cancel(message)
            with suppress(asyncio.CancelledError):
                await task

        asyncio.run(asyncio.wait_for(triggerer(), 60))

    def test_a_person_who_marks_or_clears_the_task_stops_the_job(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws = Aws("Training")
        self.end(trigger_of(aws, monkeypatch), triggerer_job_runner._USER_ACTION_CANCEL_MSG)
        assert aws.stopped == [JOB]

    @pytest.mark.parametrize("message", [None, "EOF - shutting down"])
    def test_a_triggerer_that_ends_leaves_the_job_running(
        self, message: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws = Aws("Training")
        self.end(trigger_of(aws, monkeypatch), message)
        assert aws.stopped == []

    def test_a_job_that_has_ended_meanwhile_is_no_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        aws = Aws("Training")
        aws.refuses = ENDED
        asyncio.run(trigger_of(aws, monkeypatch).on_kill())
        assert aws.stopped == [JOB]
