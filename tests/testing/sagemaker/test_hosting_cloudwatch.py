"""Metrics of variants, alarms, and scaling."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker.hosting_usage import Usage, memory_gb
from tests.testing.sagemaker.hosted import Hosted, variant


@pytest.fixture
def hosted(world):
    return Hosted(world)


def statistic(hosted, name, stat, namespace="AWS/SageMaker", **more):
    dimensions = {"EndpointName": hosted.name, "VariantName": "v1", **more}
    now = hosted.world.sagemaker.now()
    answer = hosted.cloudwatch.get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600 * 24,
        Statistics=[stat],
    )
    return sum(point[stat] for point in answer["Datapoints"]) if answer["Datapoints"] else None


def test_requests_are_counted_by_variant(hosted):
    config = hosted.config(variant(hosted.model(), InitialInstanceCount=2))
    hosted.create(config)
    for number in range(8):
        if number % 4:
            hosted.invoke({"x": [], "sleep": 0.01})
        else:
            with pytest.raises(ClientError):
                hosted.invoke({"fail": 1})
    assert statistic(hosted, "Invocations", "Sum") == 8
    assert statistic(hosted, "InvocationsPerInstance", "Sum") == 4
    assert statistic(hosted, "Invocation5XXErrors", "Sum") == 2
    assert statistic(hosted, "Invocation4XXErrors", "Sum") == 0
    assert statistic(hosted, "ModelLatency", "Maximum") >= 10_000
    assert statistic(hosted, "OverheadLatency", "Minimum") > 0
    assert statistic(hosted, "Invocations", "Sum", EndpointConfigName=config) == 8


def test_memory_is_that_of_the_process(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    hosted.advance(minutes=1)
    namespace = "/aws/sagemaker/Endpoints"
    plain = statistic(hosted, "MemoryUtilization", "Maximum", namespace)
    assert 0 < plain < 100
    assert statistic(hosted, "CPUUtilization", "Average", namespace) >= 0
    assert statistic(hosted, "DiskUtilization", "Average", namespace) > 0
    usage = hosted.world.sagemaker.simulator.room(Usage)
    usage.memory["ml.m5.large"] = plain / 100 * 8 / 2
    hosted.advance(minutes=1)
    assert statistic(hosted, "MemoryUtilization", "Maximum", namespace) > 150


def test_memory_of_instance_types():
    known = {"ml.m5.large": 8, "ml.m5.4xlarge": 64, "ml.c5.xlarge": 8, "ml.r5.large": 16, "ml.t2.medium": 4}
    assert {name: memory_gb(name) for name in known} == known


def test_metric_math(hosted):
    hosted.begin_minute()
    cloudwatch, now = hosted.cloudwatch, hosted.world.sagemaker.now()
    for name, value in (("errors", 2.0), ("calls", 8.0)):
        cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": name, "Value": value}])

    def metric(id_, name):
        stat = {"Metric": {"Namespace": "Mine", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": id_, "MetricStat": stat, "ReturnData": False}

    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "rate", "Expression": "100 * e / c"},
            metric("e", "errors"),
            metric("c", "calls"),
            {"Id": "safe", "Expression": "IF(FILL(none, 0) > 0, rate, 7)"},
            metric("none", "nothing"),
        ],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
    )
    rate, safe = answer["MetricDataResults"]
    assert (rate["Id"], rate["Values"]) == ("rate", [25.0])
    assert set(safe["Values"]) == {7.0}
    with pytest.raises(ClientError, match="not simulated in metric math"):
        cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "bad", "Expression": "__import__('os')"}], StartTime=now, EndTime=now
        )


def test_percentiles_and_own_statistics(hosted):
    cloudwatch, now = hosted.cloudwatch, hosted.world.sagemaker.now()
    data = {"MetricName": "size", "Values": [1.0, 5.0, 9.0], "Counts": [90, 9, 1], "Unit": "Bytes"}
    cloudwatch.put_metric_data(Namespace="Mine", MetricData=[data])
    (point,) = cloudwatch.get_metric_statistics(
        Namespace="Mine",
        MetricName="size",
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=5),
        Period=86400,
        ExtendedStatistics=["p50", "p95", "p100"],
    )["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 1.0, "p95": 5.0, "p100": 9.0}
    with pytest.raises(ClientError, match="AWS/"):
        cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=[data])


def alarm(hosted, **more):
    hosted.begin_minute()
    hosted.cloudwatch.put_metric_alarm(
        **{
            "AlarmName": "high",
            "Namespace": "Mine",
            "MetricName": "load",
            "Statistic": "Average",
            "Period": 60,
            "EvaluationPeriods": 3,
            "DatapointsToAlarm": 2,
            "Threshold": 10,
            "ComparisonOperator": "GreaterThanThreshold",
            **more,
        }
    )


def state(hosted):
    (shown,) = hosted.cloudwatch.describe_alarms(AlarmNames=["high"])["MetricAlarms"]
    return shown["StateValue"]


def test_an_alarm_rings_when_enough_of_its_periods_breach(hosted):
    alarm(hosted)
    assert state(hosted) == "INSUFFICIENT_DATA"
    states = []
    for load in (20, 1, 1, 20, 20, 1, 1):
        hosted.cloudwatch.put_metric_data(
            Namespace="Mine", MetricData=[{"MetricName": "load", "Value": load}]
        )
        hosted.advance(minutes=1)
        states.append(state(hosted))
    assert states == ["OK", "OK", "OK", "OK", "ALARM", "ALARM", "OK"]


@pytest.mark.parametrize(
    "treat,expected",
    [("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK"), ("ignore", "ALARM")],
)
def test_missing_data(hosted, treat, expected):
    alarm(hosted, TreatMissingData=treat, EvaluationPeriods=1, DatapointsToAlarm=1)
    hosted.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "load", "Value": 20}])
    hosted.advance(minutes=1)
    assert state(hosted) == "ALARM"
    hosted.advance(minutes=5)
    assert state(hosted) == expected


def test_an_alarm_on_a_rate(hosted):
    def metric(id_, name):
        stat = {"Metric": {"Namespace": "Mine", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        return {"Id": id_, "MetricStat": stat, "ReturnData": False}

    hosted.begin_minute()
    hosted.cloudwatch.put_metric_alarm(
        AlarmName="high",
        EvaluationPeriods=1,
        Threshold=0.1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        Metrics=[
            metric("e5", "errors"),
            metric("inv", "calls"),
            {"Id": "rate", "Expression": "e5 / inv", "ReturnData": True},
        ],
    )
    hosted.cloudwatch.put_metric_data(
        Namespace="Mine",
        MetricData=[{"MetricName": "errors", "Value": 1}, {"MetricName": "calls", "Value": 10}],
    )
    hosted.advance(minutes=1)
    assert state(hosted) == "ALARM"
    hosted.cloudwatch.put_metric_data(
        Namespace="Mine",
        MetricData=[{"MetricName": "errors", "Value": 0}, {"MetricName": "calls", "Value": 0}],
    )
    hosted.advance(minutes=1)
    assert state(hosted) == "OK"


def test_a_state_that_was_set_holds_until_the_next_look(hosted):
    alarm(hosted, TreatMissingData="notBreaching")
    hosted.cloudwatch.set_alarm_state(AlarmName="high", StateValue="ALARM", StateReason="test")
    assert state(hosted) == "ALARM"
    hosted.advance(minutes=1)
    assert state(hosted) == "OK"
    hosted.cloudwatch.delete_alarms(AlarmNames=["high"])
    with pytest.raises(ClientError, match="Unknown alarm"):
        hosted.cloudwatch.set_alarm_state(AlarmName="high", StateValue="OK", StateReason="test")


def test_what_an_alarm_can_not_be(hosted):
    for wrong, message in (
        ({"Statistic": None}, "exactly one of Statistic"),
        ({"DatapointsToAlarm": 4}, "DatapointsToAlarm"),
        ({"Threshold": None}, "Threshold"),
    ):
        given = {
            "AlarmName": "high",
            "Namespace": "Mine",
            "MetricName": "load",
            "Statistic": "Sum",
            "Period": 60,
        }
        given |= {
            "EvaluationPeriods": 3,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanThreshold",
            **wrong,
        }
        with pytest.raises(ClientError, match=message):
            hosted.cloudwatch.put_metric_alarm(**{k: v for k, v in given.items() if v is not None})


def scaled(hosted, name="v1"):
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{hosted.name}/variant/{name}",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def test_a_variant_is_scaled_within_its_bounds(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    scaling = hosted.world.aws.client("application-autoscaling")
    scaling.register_scalable_target(**scaled(hosted), MinCapacity=2, MaxCapacity=4)
    (target,) = scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 4)
    hosted.advance(minutes=1)
    (shown,) = hosted.describe()["ProductionVariants"]
    assert (shown["CurrentInstanceCount"], shown["DesiredInstanceCount"]) == (2, 2)
    policy = {
        "TargetValue": 70.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    }
    scaling.put_scaling_policy(
        **scaled(hosted),
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=policy,
    )
    (kept,) = scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert kept["TargetTrackingScalingPolicyConfiguration"] == policy
    scaling.delete_scaling_policy(**scaled(hosted), PolicyName="p")
    with pytest.raises(ClientError, match="No scaling policy found"):
        scaling.delete_scaling_policy(**scaled(hosted), PolicyName="p")


def test_what_is_not_there_is_not_scaled(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    scaling = hosted.world.aws.client("application-autoscaling")
    with pytest.raises(ClientError, match="not found"):
        scaling.register_scalable_target(**scaled(hosted, "other"), MinCapacity=1, MaxCapacity=2)
    with pytest.raises(ClientError, match="Maximum capacity"):
        scaling.register_scalable_target(**scaled(hosted), MinCapacity=3, MaxCapacity=2)
    with pytest.raises(ClientError, match="No scalable target found"):
        scaling.deregister_scalable_target(**scaled(hosted))


def test_a_scaled_variant_can_not_go(hosted):
    hosted.create(hosted.config(variant(hosted.model())))
    scaling = hosted.world.aws.client("application-autoscaling")
    scaling.register_scalable_target(**scaled(hosted), MinCapacity=1, MaxCapacity=2)
    other = hosted.config(variant(hosted.model(), "v2"))
    with pytest.raises(ClientError, match="must be deregistered as scalable targets"):
        hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=other)
    scaling.deregister_scalable_target(**scaled(hosted))
    hosted.sagemaker.update_endpoint(EndpointName=hosted.name, EndpointConfigName=other)
    assert hosted.settled()["EndpointConfigName"] == other
