"""Following a job: every state and line is told once, streams are asked for seldom, a broken log stops nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from airflow_mlops.core.aws.patience import LONGEST, MOST_FAULTS, MOST_REFUSALS, Patience
from airflow_mlops.core.aws.steps import take
from airflow_mlops.core.errors import MlopsError, ServiceUnavailable, TrainingError
from airflow_mlops.core.training.sagemaker.following import Heard, Look, look

JOB = "mlops-orders-1"
NO_GROUP = ClientError(
    {"Error": {"Code": "ResourceNotFoundException", "Message": "The specified log group does not exist."}},
    "x",
)
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not authorized: logs"}}, "x")


class Job:
    """SageMaker and CloudWatch Logs of one job, as its test moves it on."""

    def __init__(self, instances: int = 1) -> None:
        self.instances = instances
        self.changes = ["Starting"]
        self.streams: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self.log_error: Exception | None = None

    def at(self, *changes: str) -> Job:
        self.changes += changes
        return self

    def client(self, service: str) -> Job:
        return self

    def describe_training_job(self, **params: Any) -> dict[str, Any]:
        self.calls.append("describe")
        return {
            "TrainingJobName": params["TrainingJobName"],
            "TrainingJobStatus": "Completed" if self.changes[-1] == "Completed" else "InProgress",
            "SecondaryStatus": self.changes[-1],
            "ResourceConfig": {"InstanceCount": self.instances},
            "SecondaryStatusTransitions": [
                {"Status": one, "StatusMessage": f"now {one.lower()}"} for one in self.changes
            ],
        }

    def describe_log_streams(self, **params: Any) -> dict[str, Any]:
        self.calls.append("streams")
        if self.log_error:
            raise self.log_error
        assert params["logStreamNamePrefix"] == f"{JOB}/"
        return {"logStreams": [{"logStreamName": name} for name in self.streams]}

    def get_log_events(self, **params: Any) -> dict[str, Any]:
        """Two lines a page; the token is the one that was given at the end."""
        self.calls.append("events")
        start = int(params.get("nextToken") or 0)
        lines = self.streams[params["logStreamName"]]
        page = lines[start : start + 2]
        return {
            "events": [{"message": f"{one}\n"} for one in page],
            "nextForwardToken": str(start + len(page)),
        }


def seen(job: Job, heard: Heard | None = None) -> Look:
    found = take(job.client, look(JOB, heard or Heard()))
    # It goes through a trigger's arguments and its event.
    assert Heard(**json.loads(json.dumps(found.heard.model_dump()))) == found.heard
    return found


def test_states_are_told_once() -> None:
    job = Job()
    first = seen(job)
    assert first.lines == (f"{JOB}: Starting: now starting",)
    job.at("Downloading", "Training")
    second = seen(job, first.heard)
    assert second.lines == (f"{JOB}: Downloading: now downloading", f"{JOB}: Training: now training")
    assert seen(job, second.heard).lines == ()


def test_lines_of_all_hosts_are_told_once() -> None:
    job = Job(instances=2).at("Training")
    job.streams = {f"{JOB}/algo-1-17": ["a", "b", "c"], f"{JOB}/algo-2-18": ["x"]}
    first = seen(job)
    assert first.lines[-4:] == ("[algo-1] a", "[algo-1] b", "[algo-1] c", "[algo-2] x")
    job.streams[f"{JOB}/algo-1-17"].append("d")
    second = seen(job, first.heard)
    assert second.lines == ("[algo-1] d",)
    assert seen(job, second.heard).lines == ()


def test_no_log_is_read_before_there_is_a_container() -> None:
    job = Job().at("Downloading")
    seen(job)
    assert job.calls == ["describe"]


def test_streams_are_not_asked_for_again_once_all_hosts_have_one() -> None:
    job = Job().at("Training")
    job.streams = {f"{JOB}/algo-1-17": ["a"]}
    heard = seen(job).heard
    for _ in range(3):
        heard = seen(job, heard).heard
    assert job.calls.count("streams") == 1


def test_a_stream_that_does_not_come_is_asked_for_a_few_times_only() -> None:
    job = Job().at("Training")
    heard = None
    for _ in range(30):
        heard = seen(job, heard).heard
    assert job.calls.count("streams") == 5


def test_a_machine_that_replaces_another_has_a_stream_of_its_own() -> None:
    job = Job().at("Training")
    job.streams = {f"{JOB}/algo-1-17": ["a"]}
    heard = seen(job).heard
    job.at("Interrupted", "Starting")
    interrupted = seen(job, heard)
    assert "spot capacity was taken back" in interrupted.lines[0]
    job.at("Training").streams[f"{JOB}/algo-1-99"] = ["again"]
    assert seen(job, interrupted.heard).lines[-1] == "[algo-1] again"


def test_a_log_group_that_is_not_there_yet_means_no_lines_yet() -> None:
    job = Job().at("Training")
    job.log_error = NO_GROUP
    heard = seen(job).heard
    job.log_error, job.streams = None, {f"{JOB}/algo-1-17": ["a"]}
    assert seen(job, heard).lines == ("[algo-1] a",)


def test_a_log_that_may_not_be_read_is_said_once() -> None:
    job = Job().at("Training")
    job.log_error = DENIED
    first = seen(job)
    assert [line for line in first.lines if "read the log" in line]
    assert seen(job, first.heard).lines == ()


@pytest.mark.parametrize(
    "error",
    [
        ClientError(
            {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "DescribeTrainingJob"
        ),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
def test_sagemaker_that_does_not_answer_is_named(error: Exception) -> None:
    class Broken:
        def describe_training_job(self, **params: Any) -> Any:
            raise error

    with pytest.raises(MlopsError, match=f"describe training job {JOB}"):
        take(lambda service: Broken(), look(JOB, Heard()))


def test_pauses_grow_up_to_a_minute() -> None:
    patience = Patience("job x", print)
    pauses = [patience.pause() for _ in range(30)]
    assert 8 <= pauses[0] <= 12
    assert max(pauses) <= LONGEST * 1.2
    assert all(pause >= LONGEST * 0.8 for pause in pauses[-5:])


def test_patience_ends_after_many_faults_in_a_row() -> None:
    said: list[str] = []
    patience = Patience("job x", said.append)
    fault: Callable[[], None] = lambda: patience.failed(ServiceUnavailable("throttled"))  # noqa: E731
    for _ in range(MOST_FAULTS - 1):
        fault()
    patience.succeeded()
    for _ in range(MOST_FAULTS - 1):
        fault()
    with pytest.raises(ServiceUnavailable, match="throttled"):
        fault()
    assert len(said) == 2 * MOST_FAULTS - 1


def test_little_patience_with_what_does_not_pass() -> None:
    patience, refused = Patience("job x", print), TrainingError("no such job")
    for _ in range(MOST_REFUSALS - 1):
        patience.failed(refused)
    patience.failed(ServiceUnavailable("throttled"))
    for _ in range(MOST_REFUSALS - 1):
        patience.failed(refused)
    with pytest.raises(TrainingError, match="no such job"):
        patience.failed(refused)
