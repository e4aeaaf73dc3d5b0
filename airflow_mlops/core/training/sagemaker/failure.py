"""Why a job ended without a model: in our own words where our code said so, else in SageMaker's, with what to do.

The prefixes are those of ``FailureReason`` in
https://docs.aws.amazon.com/sagemaker/latest/dg/troubleshooting.html and of the containers' toolkit.
"""

from __future__ import annotations

import re

from airflow_mlops.core.errors import TrainingError, TrainingInterrupted
from airflow_mlops.core.training.sagemaker.status import TrainingStatus

#: What SageMaker puts around the text that the container left in its failure file.
_WRAPPED = re.compile(r"^AlgorithmError:\s*(.*?)(?:,\s*exit code:\s*(\d+))?\s*$", re.DOTALL)
#: Killed: nearly always by the kernel, for memory.
_KILLED = "137"
_FIELD = "sagemaker.training"

#: Secondary state of a job that was stopped -> what is wrong, what to do, whether another try may do.
_LIMITS = {
    "MaxRuntimeExceeded": (
        "was stopped at its longest run time",
        f"raise {_FIELD}.max_runtime of the mlops connection, or take a larger instance_type or more instances",
    ),
    "MaxWaitTimeExceeded": (
        "found no spot capacity for long enough",
        f"raise {_FIELD}.max_wait of the mlops connection, try another instance_type, or set spot to false",
    ),
}


def failure_of(status: TrainingStatus, said: str = "") -> TrainingError:
    """The error of a job that has ended without a model.

    A :class:`~airflow_mlops.core.errors.TrainingInterrupted` says that another try may succeed.

    :param said: what our code in the job said of why it failed, in one line.
    """
    if status.state == "Failed":
        return _failed(status, said)
    if status.secondary in _LIMITS:
        problem, remedy = _LIMITS[status.secondary]
        return TrainingError(f"training job {status.job} {problem}", given=_spent(status), remedy=remedy)
    return TrainingError(
        f"training job {status.job} was stopped by somebody",
        given=_spent(status),
        remedy="clear the task to train in a new job",
    )


def _failed(status: TrainingStatus, said: str) -> TrainingError:
    name, reason = f"training job {status.job}", status.reason
    if reason.startswith("CapacityError"):
        return TrainingInterrupted(
            f"{name} got no machines",
            given=reason,
            remedy=f"try again later, or set another {_FIELD}.instance_type in the mlops connection",
        )
    if reason.startswith("InternalServerError"):
        return TrainingInterrupted(f"{name} failed by a fault of SageMaker", given=reason, remedy="try again")
    if "ResourceLimitExceeded" in reason or "service limit" in reason:
        return TrainingInterrupted(
            f"{name} met a quota of the account",
            given=reason,
            remedy="ask for more in Service Quotas, or wait for other jobs to end",
        )
    if wrapped := _WRAPPED.match(reason):
        return _of_container(name, said or wrapped[1].strip(), wrapped[2] or "")
    if said.startswith("ExecuteUserScriptError"):
        # The container names the command that failed, which says nothing.
        said = ""
    return TrainingError(f"{name} failed", given=said or reason or "no reason from SageMaker")


def _of_container(name: str, said: str, exit_code: str) -> TrainingError:
    if exit_code == _KILLED:
        return TrainingError(
            f"{name} was killed, most likely for want of memory",
            given=said or f"exit code {exit_code}",
            remedy=f"set a {_FIELD}.instance_type with more memory in the mlops connection",
        )
    if said.startswith("ExecuteUserScriptError"):
        # The container names the command that failed, which says nothing.
        said = ""
    return TrainingError(f"{name} failed", given=said or f"exit code {exit_code}; its log says more")


def _spent(status: TrainingStatus) -> str:
    return f"{status.secondary} after {status.seconds or 0} s of training"
