"""What SageMaker says of a training job, as a small record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from airflow_mlops.core.record import Record

State = Literal["InProgress", "Completed", "Failed", "Stopping", "Stopped", "Deleting"]
#: Secondary states after which machines begin anew, each with log streams of its own.
_ANEW = frozenset({"Interrupted", "Restarting"})
#: Secondary states in which a container has something to say.
_RUNNING = frozenset(
    {"Training", "Uploading", "Stopping", "Completed", "Failed", "Stopped", "MaxRuntimeExceeded"}
)


class Change(Record):
    """A job's secondary state, and what SageMaker says of it."""

    status: str
    message: str = ""


class TrainingStatus(Record):
    """A job at one moment.

    :param secondary: e.g. ``Downloading`` or ``MaxRuntimeExceeded``.
    :param reason: why it failed, in SageMaker's words.
    :param seconds: of training; None before it began.
    :param billable_seconds: for each machine.
    :param changes: the secondary states so far, the oldest first.
    :param artifact: URI of ``model.tar.gz``.
    :param output: URI of the archive of the output data, whether there is one or not.
    """

    job: str
    state: State
    secondary: str
    reason: str = ""
    instances: int = 1
    instance_type: str = ""
    seconds: int | None = None
    billable_seconds: int | None = None
    changes: tuple[Change, ...] = ()
    artifact: str | None = None
    output: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("Completed", "Failed", "Stopped")

    @property
    def hosts(self) -> int:
        """How many machines have run a container so far, counting those anew that replaced others."""
        if self.secondary not in _RUNNING:
            return 0
        anew = sum(
            1
            for before, after in zip(self.changes, self.changes[1:], strict=False)
            if before.status in _ANEW and after.status not in _ANEW
        )
        return self.instances * (1 + anew)


def status_of(answer: Mapping[str, Any]) -> TrainingStatus:
    """The record of what DescribeTrainingJob answers."""
    machines = answer.get("ResourceConfig", {})
    output = answer.get("OutputDataConfig", {}).get("S3OutputPath", "")
    return TrainingStatus(
        job=answer["TrainingJobName"],
        state=answer["TrainingJobStatus"],
        secondary=answer["SecondaryStatus"],
        reason=" ".join(answer.get("FailureReason", "").split()),
        instances=machines.get("InstanceCount", 1),
        instance_type=machines.get("InstanceType", ""),
        seconds=answer.get("TrainingTimeInSeconds"),
        billable_seconds=answer.get("BillableTimeInSeconds"),
        changes=tuple(
            Change(status=one["Status"], message=" ".join(one.get("StatusMessage", "").split()))
            for one in answer.get("SecondaryStatusTransitions", ())
        ),
        artifact=answer.get("ModelArtifacts", {}).get("S3ModelArtifacts") or None,
        output=f"{output.rstrip('/')}/{answer['TrainingJobName']}/output/output.tar.gz" if output else "",
    )


def told(status: TrainingStatus) -> str:
    """How a job ended, for people."""
    if status.seconds is None:
        return f"training job {status.job}: {status.secondary}"
    billed = status.billable_seconds if status.billable_seconds is not None else status.seconds
    machines = (
        f"{status.instances} x {status.instance_type}" if status.instance_type else str(status.instances)
    )
    saved = f", {1 - billed / status.seconds:.0%} saved" if billed < status.seconds else ""
    return (
        f"training job {status.job}: {status.secondary} after {status.seconds} s on {machines}; "
        f"billed {billed * status.instances} machine seconds{saved}"
    )
