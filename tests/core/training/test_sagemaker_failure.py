"""A job that ended without a model says why and what to do, in one line."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mlops.core.errors import ServiceUnavailable
from airflow_mlops.core.training.sagemaker.failure import failure_of
from airflow_mlops.core.training.sagemaker.status import TrainingStatus, status_of, told

QUOTA = (
    "ResourceLimitExceeded: The account-level service limit 'ml.m5.xlarge for training job usage' is 0 Instances, "
    "with current utilization of 0 Instances and a request delta of 1 Instances."
)


def ended(secondary: str, reason: str = "", state: str = "Failed", **fields: Any) -> TrainingStatus:
    answer = {
        "TrainingJobName": "mlops-orders-1",
        "TrainingJobStatus": state,
        "SecondaryStatus": secondary,
        "FailureReason": reason,
        "ResourceConfig": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        **fields,
    }
    return status_of(answer)


@pytest.mark.parametrize(
    "reason, said, passing",
    [
        (
            "AlgorithmError: XGBoost does not know a parameter in training.params; given max_dept, exit code: 1",
            "failed; given XGBoost does not know a parameter in training.params; given max_dept",
            False,
        ),
        (
            "AlgorithmError: , exit code: 137",
            "set a sagemaker.training.instance_type with more memory",
            False,
        ),
        ("AlgorithmError: , exit code: 2", "exit code 2; its log says why", False),
        (
            "CapacityError: Unable to provision requested ML compute capacity. Please retry with another type.",
            "no such machines free now",
            True,
        ),
        (
            "InternalServerError: We encountered an internal error. Please try again.",
            "a fault of SageMaker",
            True,
        ),
        (
            QUOTA,
            "raise it in Service Quotas",
            False,
        ),
        ("ClientError: Data download failed:Failed to download data.", "Data download failed", False),
        ("", "no reason from SageMaker", False),
    ],
)
def test_reasons(reason: str, said: str, passing: bool) -> None:
    failure = failure_of(ended("Failed", reason))
    assert said in str(failure)
    assert "mlops-orders-1" in str(failure)
    assert isinstance(failure, ServiceUnavailable) is passing


def test_a_reason_over_several_lines_is_one_line() -> None:
    reason = (
        "AlgorithmError: framework error: \nTraceback (most recent call last):\n  File x\nOops, exit code: 1"
    )
    assert str(failure_of(ended("Failed", reason))).endswith("File x Oops")


@pytest.mark.parametrize(
    "secondary, field",
    [
        ("MaxRuntimeExceeded", "sagemaker.training.max_runtime"),
        ("MaxWaitTimeExceeded", "sagemaker.training.max_wait"),
        ("Stopped", "stopped by somebody"),
    ],
)
def test_a_job_that_was_stopped(secondary: str, field: str) -> None:
    failure = failure_of(ended(secondary, state="Stopped", TrainingTimeInSeconds=60))
    assert field in str(failure)
    assert "after 60 s" in str(failure)
    assert not isinstance(failure, ServiceUnavailable)


def test_the_bill() -> None:
    status = ended("Completed", state="Completed", TrainingTimeInSeconds=200, BillableTimeInSeconds=50)
    assert told(status) == (
        "training job mlops-orders-1: Completed after 200 s on 2 x ml.m5.xlarge; "
        "billed 100 machine seconds, 75% saved"
    )


def test_a_job_that_never_trained_cost_nothing_to_tell() -> None:
    assert told(ended("Failed")) == "training job mlops-orders-1: Failed"
