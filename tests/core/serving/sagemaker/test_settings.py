"""What follows from settings and from SageMaker's words alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.core.aws.settings import Guardrail, Hosting
from airflow_mlops.core.errors import DeploymentFailed, DeploymentRolledBack, PlatformError
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.serving.sagemaker import reasons
from airflow_mlops.core.serving.sagemaker.alarms import deployment_config
from airflow_mlops.core.serving.sagemaker.metrics import cores_of

ONE, TWO = (Desired(number=number, mode="champion", champion=number) for number in (1, 2))


@pytest.mark.parametrize(
    "machine, cores",
    [
        ("ml.t2.medium", 2),
        ("ml.m7g.medium", 1),
        ("ml.m5.large", 2),
        ("ml.m5.xlarge", 4),
        ("ml.c5.9xlarge", 36),
        ("ml.c4.8xlarge", 36),
        ("ml.m5.24xlarge", 96),
        ("ml.unknown", 1),
    ],
)
def test_cores_of_machines(machine: str, cores: int) -> None:
    assert cores_of(machine) == cores


def test_how_sagemaker_brings_a_version_in() -> None:
    config = deployment_config(Hosting(), ("errors", "latency"))
    policy = config["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10},
        "WaitIntervalInSeconds": 600,
    }
    assert policy["MaximumExecutionTimeoutInSeconds"] == 3600
    alarms = config["AutoRollbackConfiguration"]["Alarms"]
    assert [one["AlarmName"] for one in alarms] == ["errors", "latency"]


@pytest.mark.parametrize(
    "hosting, field",
    [
        (Hosting(guardrail=Guardrail(bake=timedelta(hours=2))), "guardrail.bake is longer"),
        (Hosting(slowest_change=timedelta(minutes=12)), "slowest_change leaves no time"),
    ],
)
def test_times_that_sagemaker_does_not_allow_are_named(hosting: Hosting, field: str) -> None:
    with pytest.raises(PlatformError, match=field):
        deployment_config(hosting, ())


@pytest.mark.parametrize(
    "reason, remedy",
    [
        (
            "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity",
            "instance_type",
        ),
        (
            "One or more alarms configured for the deployment are in ALARM state",
            "sagemaker.hosting.guardrail",
        ),
        ("The primary container did not pass the ping health check", "/aws/sagemaker/Endpoints/mlops-flight"),
        ("", "/aws/sagemaker/Endpoints/mlops-flight"),
    ],
)
def test_a_rollback_is_said_in_sagemakers_words_with_a_remedy(reason: str, remedy: str) -> None:
    error = reasons.rolled_back("mlops-flight", reason, ONE, TWO)
    assert isinstance(error, DeploymentRolledBack)
    assert (reason or "gives no reason") in str(error)
    assert remedy in str(error)
    assert "champion 1" in str(error)
    assert "champion 2" in str(error)


def test_what_only_a_person_can_mend_says_how() -> None:
    error = reasons.stuck("mlops-flight", "both failed", TWO)
    assert isinstance(error, DeploymentFailed)
    assert "UpdateRollbackFailed" in str(error)
    assert "aws sagemaker delete-endpoint --endpoint-name mlops-flight" in str(error)
