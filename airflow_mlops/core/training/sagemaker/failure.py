"""Why a job ended without a model: in our own words where our code said so, else in SageMaker's, with what to do.

How the reasons begin: https://docs.aws.amazon.com/sagemaker/latest/dg/training-troubleshoot.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-signal-success-failure.html.
"""

from __future__ import annotations

import re

from airflow_mlops.core.aws.errors import explain_reason
from airflow_mlops.core.errors import MlopsError, ServiceUnavailable, TrainingError
from airflow_mlops.core.training.sagemaker.status import TrainingStatus

#: What SageMaker puts around the text that the container left in its failure file.
_WRAPPED = re.compile(r"^AlgorithmError:\s*(.*?)(?:,\s*exit code:\s*(\d+))?\s*$", re.DOTALL)
#: Killed: nearly always by the kernel, for memory.
_KILLED = "137"
_FIELD = "sagemaker.training"

#: Secondary state of a job that was stopped -> what is wrong, and what to do.
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


def failure_of(status: TrainingStatus, said: str = "") -> MlopsError:
    """The error of a job that has ended without a model.

    A :class:`~airflow_mlops.core.errors.ServiceUnavailable` says that another try may succeed.

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


def _failed(status: TrainingStatus, said: str) -> MlopsError:
    problem, reason = f"training job {status.job} failed", status.reason
    if said:
        return TrainingError(problem, given=said)
    if wrapped := _WRAPPED.match(reason):
        return _of_container(problem, wrapped[1].strip(), wrapped[2] or "")
    if reason.startswith("InternalServerError"):
        return ServiceUnavailable(f"{problem}: a fault of SageMaker", given=reason, remedy="run it again")
    return explain_reason(reason or "no reason from SageMaker", problem, TrainingError)


def _of_container(problem: str, said: str, exit_code: str) -> MlopsError:
    if exit_code == _KILLED:
        return TrainingError(
            f"{problem}: it was killed, most likely for want of memory",
            given=f"exit code {exit_code}",
            remedy=f"set a {_FIELD}.instance_type with more memory in the mlops connection",
        )
    if not said or said.startswith("ExecuteUserScriptError"):
        # The container names the command that failed, which says nothing.
        return TrainingError(problem, given=f"exit code {exit_code}", remedy="its log says why")
    return TrainingError(problem, given=said)


def _spent(status: TrainingStatus) -> str:
    return f"{status.secondary} after {status.seconds or 0} s of training"
