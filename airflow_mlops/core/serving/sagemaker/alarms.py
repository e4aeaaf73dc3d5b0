"""Alarms for SageMaker's own canary: it goes back when one of them rings while it bakes."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import Guardrail, Hosting
from airflow_mlops.core.errors import DeploymentFailed, PlatformError
from airflow_mlops.core.serving.sagemaker.layout import LIVE

_NAMESPACE = "AWS/SageMaker"
_MINUTE = 60
#: SageMaker's limits: one wait, and a whole deployment, in seconds.
_LONGEST_WAIT, _SHORTEST_RUN, _LONGEST_RUN = 3600, 600, 28800
#: How long the old machines stay after all traffic has moved: an alarm still leads back to them.
_AFTER = 300


def alarm_names(name: str) -> tuple[str, str]:
    """The alarms of an endpoint: on its errors, on its latency."""
    return f"{name}-errors", f"{name}-latency"


class Alarms:
    """The alarms of one endpoint's live variant. :param name: of the endpoint."""

    def __init__(self, aws: Aws, name: str, guardrail: Guardrail, tags: list[dict[str, str]]) -> None:
        self._aws = aws
        self._name = name
        self._guardrail = guardrail
        self._tags = tags

    def put(self, config: str) -> tuple[str, ...]:
        """Make the alarms, or bring them to the settings and a new configuration; return their names.

        They watch the new machines alone: among all answers, the errors of a tenth of the machines would be lost.
        https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-configuration.html

        :param config: name of the configuration that comes.
        :raises DeploymentFailed: if CloudWatch refuses.
        """
        errors, latency = alarm_names(self._name)
        dimensions = _dimensions(self._name, config)
        self._put(errors, self._guardrail.max_error_rate, Metrics=_error_rate(dimensions))
        if self._guardrail.max_latency_ms is None:
            return (errors,)
        self._put(
            latency,
            self._guardrail.max_latency_ms * 1000,  # the metric counts microseconds
            MetricName="ModelLatency",
            Namespace=_NAMESPACE,
            Dimensions=dimensions,
            Statistic="Average",
            Period=_MINUTE,
        )
        return errors, latency

    def ringing(self) -> str:
        """Which alarms ring now and why, on one line; empty when none does, or nobody may ask."""
        request = {"AlarmNames": list(alarm_names(self._name)), "StateValue": "ALARM"}
        method = self._aws.client("cloudwatch").describe_alarms
        # Its own reason is missed more than this one: no permission is no reason to hide the rollback.
        found = call(method, request, f"describe alarms of {self._name}", unless=lambda error: True) or {}
        return "; ".join(
            f"alarm {one['AlarmName']}: {one.get('StateReason', 'no reason')}"
            for one in found.get("MetricAlarms", ())
        )

    def _put(self, alarm: str, limit: float, **what: Any) -> None:
        request = {
            "AlarmName": alarm,
            "AlarmDescription": f"airflow-mlops: a new version on {self._name} goes back when this rings",
            "EvaluationPeriods": 1,
            "DatapointsToAlarm": 1,
            "Threshold": limit,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "ActionsEnabled": False,
            "Tags": self._tags,
            **what,
        }
        method = self._aws.client("cloudwatch").put_metric_alarm
        call(method, request, f"put alarm {alarm}", kind=DeploymentFailed)


def deployment_config(hosting: Hosting, alarms: tuple[str, ...]) -> dict[str, Any]:
    """How SageMaker brings a new version in: a share of the machines, a time to bake, the rest.

    :raises PlatformError: if the times are longer than SageMaker allows.
    """
    bake = int(hosting.guardrail.bake.total_seconds())
    longest = int(min(max(hosting.slowest_change.total_seconds(), _SHORTEST_RUN), _LONGEST_RUN))
    if bake > _LONGEST_WAIT:
        raise PlatformError(
            "sagemaker.hosting.guardrail.bake is longer than SageMaker waits",
            given=f"{bake} s",
            expected=f"at most {_LONGEST_WAIT} s",
        )
    after = min(bake, _AFTER)
    if bake + after >= longest:
        raise PlatformError(
            "sagemaker.hosting.slowest_change leaves no time to bake",
            given=f"{longest} s",
            expected=f"more than {bake + after} s: sagemaker.hosting.guardrail.bake, and {after} s after it",
        )
    size = {"Type": "CAPACITY_PERCENT", "Value": hosting.guardrail.size}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "CanarySize": size,
                "WaitIntervalInSeconds": bake,
            },
            "TerminationWaitInSeconds": after,
            "MaximumExecutionTimeoutInSeconds": longest,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm} for alarm in alarms]},
    }


def _error_rate(dimensions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The share of 5xx answers; a minute without requests has none."""
    return [
        _sum("errors", "Invocation5XXErrors", dimensions),
        _sum("requests", "Invocations", dimensions),
        {
            "Id": "rate",
            "Expression": "IF(requests > 0, errors / requests, 0)",
            "Label": "share of 5xx answers",
            "ReturnData": True,
        },
    ]


def _sum(name: str, metric: str, dimensions: list[dict[str, str]]) -> dict[str, Any]:
    what = {"Namespace": _NAMESPACE, "MetricName": metric, "Dimensions": dimensions}
    return {
        "Id": name,
        "MetricStat": {"Metric": what, "Period": _MINUTE, "Stat": "Sum"},
        "ReturnData": False,
    }


def _dimensions(endpoint: str, config: str) -> list[dict[str, str]]:
    named = {"EndpointName": endpoint, "VariantName": LIVE, "EndpointConfigName": config}
    return [{"Name": name, "Value": value} for name, value in named.items()]
