"""Following a job: what is new since the last look, as lines for people."""

from __future__ import annotations

from pydantic import Field

from airflow_mlops.core.aws.errors import code, explain
from airflow_mlops.core.aws.steps import Call, Steps
from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.record import Record
from airflow_mlops.core.training.sagemaker.status import TrainingStatus, status_of

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
#: A page holds at most 1 MB or 10,000 lines; what one look leaves, the next one reads.
_PAGES = 10
#: A stream appears with its first line. So often it is asked for, for each host.
_ASKS = 5
_LONGEST_LINE = 2000


class Heard(Record):
    """How far a job was followed.

    :param changes: of its secondary state that were told, and the last of them.
    :param streams: token of what follows, for each log stream; empty for one that was not read yet.
    :param asked: how often streams were asked for since the last new one.
    :param deaf: the log can't be read, which was said.
    """

    changes: int = 0
    last: str = ""
    streams: dict[str, str] = Field(default_factory=dict)
    asked: int = 0
    deaf: bool = False


class Look(Record):
    """What one look found. :param lines: new since the look before."""

    status: TrainingStatus
    lines: tuple[str, ...]
    heard: Heard


def describe(job: str) -> Steps[TrainingStatus]:
    """The job as it is.

    :raises MlopsError: if SageMaker can't be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return status_of((yield Call("sagemaker", "describe_training_job", {"TrainingJobName": job})))
    except (BotoCoreError, ClientError) as error:
        raise explain(error, f"describe training job {job}", TrainingError) from error


def look(job: str, heard: Heard) -> Steps[Look]:
    """The job as it is, with its new states and log lines.

    A log that can't be read is said once and then left alone: it is no reason to lose a training.

    :raises MlopsError: if SageMaker can't be asked.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    status = yield from describe(job)
    lines, heard = _news(status, heard)
    if not heard.deaf:
        try:
            heard = yield from _streams(job, status, heard)
            for stream in sorted(heard.streams):
                heard = yield from _read(stream, heard, lines)
        except (BotoCoreError, ClientError) as error:
            # The group appears with the first job of an account.
            if code(error) != "ResourceNotFoundException":
                heard = heard.model_copy(update={"deaf": True})
                lines.append(str(explain(error, f"read the log of {job}; it trains on")))
    return Look(status=status, lines=tuple(lines), heard=heard)


def _news(status: TrainingStatus, heard: Heard) -> tuple[list[str], Heard]:
    """New states, and what SageMaker says anew of the present one, as when it waits for machines."""
    said = [f"{status.job}: {_said(one.status, one.message)}" for one in status.changes]
    if not said:
        return [], heard
    anew = 1 if len(said) == heard.changes and said[-1] != heard.last else 0
    new = said[max(0, min(heard.changes, len(said)) - anew) :]
    return new, heard.model_copy(update={"changes": len(said), "last": said[-1]})


def _streams(job: str, status: TrainingStatus, heard: Heard) -> Steps[Heard]:
    """Ask for log streams while there are hosts whose stream is not known; one call, and few of them."""
    if len(heard.streams) >= status.hosts or heard.asked >= _ASKS:
        return heard
    answer = yield Call(
        "logs", "describe_log_streams", {"logGroupName": LOG_GROUP, "logStreamNamePrefix": f"{job}/"}
    )
    new = {one["logStreamName"]: "" for one in answer.get("logStreams", ())}
    known = {**new, **heard.streams}
    asked = 0 if len(known) > len(heard.streams) else heard.asked + 1
    return heard.model_copy(update={"streams": known, "asked": asked})


def _read(stream: str, heard: Heard, lines: list[str]) -> Steps[Heard]:
    """Append what a stream says since its token."""
    token = heard.streams[stream]
    host = stream.rsplit("/", 1)[-1].rsplit("-", 1)[0]
    for _ in range(_PAGES):
        params = {"logGroupName": LOG_GROUP, "logStreamName": stream, "startFromHead": True}
        answer = yield Call("logs", "get_log_events", {**params, **({"nextToken": token} if token else {})})
        lines += [f"[{host}] {one['message'].rstrip()[:_LONGEST_LINE]}" for one in answer.get("events", ())]
        # At the end of the stream the token is the one that was given. An empty page alone says nothing.
        before, token = token, answer.get("nextForwardToken") or token
        if token == before:
            break
    return heard.model_copy(update={"streams": {**heard.streams, stream: token}})


def _said(status: str, message: str) -> str:
    if status == "Interrupted":
        return (
            f"{status}: spot capacity was taken back; SageMaker goes on from the last checkpoint ({message})"
        )
    return f"{status}: {message}" if message else status
