"""Blue/green updates with steps, baking time and alarms."""

from __future__ import annotations

from collections import Counter

import pytest
from botocore.exceptions import ClientError

from tests.testing.sagemaker.hosted import Hosted, variant

pytestmark = pytest.mark.long


@pytest.fixture
def hosted(world):
    """An endpoint with a model that adds 1, and an alarm on errors."""
    hosted = Hosted(world)
    hosted.create(hosted.config(variant(hosted.model(1), "live")))
    hosted.cloudwatch.put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[
            {"Name": "EndpointName", "Value": hosted.name},
            {"Name": "VariantName", "Value": "live"},
        ],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0.05,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    return hosted


def update(hosted, model, *, wait=600, kind="CANARY", alarms=("errors",), **policy):
    config = hosted.config(variant(model, "live"))
    size = {"Type": "CAPACITY_PERCENT", "Value": 25}
    sizes = {"CANARY": {"CanarySize": size}, "LINEAR": {"LinearStepSize": size}, "ALL_AT_ONCE": {}}
    routing = {"Type": kind, "WaitIntervalInSeconds": wait, **sizes[kind]}
    deployment = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, **policy}}
    if alarms:
        deployment["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    hosted.sagemaker.update_endpoint(
        EndpointName=hosted.name, EndpointConfigName=config, DeploymentConfig=deployment
    )
    return config


def shares(hosted, times=200):
    hosted.world.sagemaker.simulator.room(_hosting()).random.seed(3)
    return Counter(hosted.invoke()[0][0] for _ in range(times))


def test_a_canary_bakes_then_the_rest_bakes_then_it_is_done(hosted):
    config = update(hosted, hosted.model(2))
    hosted.baking()
    # 50 of 200 are expected, with a standard deviation of 6
    assert 25 < shares(hosted)[3] < 75
    hosted.advance(seconds=599)
    assert hosted.describe()["EndpointStatus"] == "Updating"
    hosted.advance(seconds=10)
    assert shares(hosted, 10) == {3: 10}
    assert hosted.describe()["EndpointStatus"] == "Updating"
    hosted.advance(seconds=600)
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", config)
    assert "FailureReason" not in settled
    assert settled["LastDeploymentConfig"]["BlueGreenUpdatePolicy"]


def test_an_alarm_while_baking_rolls_back_and_is_named(hosted):
    before = hosted.describe()["EndpointConfigName"]
    update(hosted, hosted.model(2))
    hosted.baking()
    hosted.begin_minute()
    for _ in range(10):
        with pytest.raises(ClientError):
            hosted.invoke({"fail": 1})
    hosted.advance(minutes=1)
    settled = hosted.settled()
    assert (settled["EndpointStatus"], settled["EndpointConfigName"]) == ("InService", before)
    assert "errors" in settled["FailureReason"]
    assert "ALARM" in settled["FailureReason"]
    assert shares(hosted, 20) == {2: 20}


def test_an_alarm_that_rings_when_traffic_would_move_rolls_back_at_once(hosted):
    before = hosted.describe()["EndpointConfigName"]
    update(hosted, hosted.model(2), kind="ALL_AT_ONCE")
    hosted.baking()
    hosted.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    assert hosted.describe()["EndpointStatus"] == "RollingBack"
    assert hosted.settled()["EndpointConfigName"] == before


def test_an_alarm_after_the_end_changes_nothing(hosted):
    config = update(hosted, hosted.model(2), kind="ALL_AT_ONCE", wait=0)
    hosted.settled()
    hosted.cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    described = hosted.describe()
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", config)


def test_linear_steps(hosted):
    update(hosted, hosted.model(2), kind="LINEAR")
    hosted.baking()
    seen = []
    for _ in range(4):
        seen.append(shares(hosted)[3])
        hosted.advance(seconds=601)
    assert seen == sorted(seen)
    assert seen[0] < 75
    assert seen[-1] == 200
    assert hosted.settled()["EndpointStatus"] == "InService"


def test_the_old_fleet_may_stay_a_while(hosted):
    update(hosted, hosted.model(2), kind="ALL_AT_ONCE", wait=0, TerminationWaitInSeconds=300)
    hosted.until(lambda: shares(hosted, 3) == {3: 3})
    assert hosted.describe()["EndpointStatus"] == "Updating"
    hosted.advance(seconds=301)
    assert hosted.settled()["EndpointStatus"] == "InService"


def test_a_deployment_that_takes_too_long_rolls_back(hosted):
    before = hosted.describe()["EndpointConfigName"]
    update(hosted, hosted.model(2), wait=3600, MaximumExecutionTimeoutInSeconds=600)
    hosted.baking()
    hosted.advance(seconds=601)
    settled = hosted.settled()
    assert settled["EndpointConfigName"] == before
    assert "MaximumExecutionTimeoutInSeconds" in settled["FailureReason"]


def test_a_rolling_update(hosted):
    config = hosted.config(variant(hosted.model(2), "live"))
    batch = {"Type": "CAPACITY_PERCENT", "Value": 50}
    hosted.sagemaker.update_endpoint(
        EndpointName=hosted.name,
        EndpointConfigName=config,
        DeploymentConfig={"RollingUpdatePolicy": {"MaximumBatchSize": batch, "WaitIntervalInSeconds": 60}},
    )
    hosted.baking()
    assert 60 < shares(hosted)[3] < 140
    hosted.advance(seconds=130)
    assert hosted.settled()["EndpointConfigName"] == config


def test_the_last_policy_can_be_retained(hosted):
    update(hosted, hosted.model(2), kind="ALL_AT_ONCE", wait=0)
    hosted.settled()
    hosted.sagemaker.update_endpoint(
        EndpointName=hosted.name,
        EndpointConfigName=hosted.config(variant(hosted.model(3), "live")),
        RetainDeploymentConfig=True,
    )
    assert "LastDeploymentConfig" in hosted.settled()


def test_what_a_policy_can_not_be(hosted):
    model = hosted.model(2)
    with pytest.raises(ClientError, match="must have the variants of the current one"):
        hosted.sagemaker.update_endpoint(
            EndpointName=hosted.name,
            EndpointConfigName=hosted.config(variant(model, "other")),
            DeploymentConfig={
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
                }
            },
        )
    with pytest.raises(ClientError, match="nowhere"):
        update(hosted, model, alarms=("nowhere",))
    assert hosted.describe()["EndpointStatus"] == "InService"


def _hosting():
    from airflow_mlops.testing.sagemaker.hosting import Hosting

    return Hosting
