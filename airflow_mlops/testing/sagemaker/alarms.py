"""CloudWatch's alarms, looked at each minute of the simulated clock.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.api import ApiError, operation
from airflow_mlops.testing.sagemaker.listing import page
from airflow_mlops.testing.sagemaker.metrics import Metrics, series_of, times_between

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.simulator import Simulator

_COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit")
#: Whether a datapoint that is missing counts as one that breaches; None leaves it out.
_MISSING = {"breaching": True, "notBreaching": False}


class Alarms:
    """The room. :attr:`listeners` are told when alarms were looked at."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._metrics = simulator.room(Metrics)
        self.alarms: dict[str, dict[str, Any]] = {}
        self.listeners: list[Callable[[], None]] = []
        self._metrics.each_minute(self.evaluate, last=True)

    def __contains__(self, name: str) -> bool:
        return name in self.alarms

    def ringing(self, names: list[str]) -> list[str]:
        """Those of these alarms that are in ALARM."""
        return [name for name in names if self.alarms.get(name, {}).get("StateValue") == "ALARM"]

    def evaluate(self) -> None:
        """Look at every alarm."""
        for alarm in self.alarms.values():
            self._look_at(alarm)
        self.tell()

    def tell(self) -> None:
        """Tell who listens."""
        for listener in list(self.listeners):
            listener()

    def set_state(self, alarm: dict[str, Any], state: str, reason: str) -> None:
        """Change an alarm's state, if it is another one."""
        now = self._simulator.clock.now()
        if state != alarm["StateValue"]:
            alarm["StateTransitionedTimestamp"] = now
            alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=now)

    def _look_at(self, alarm: dict[str, Any]) -> None:
        queries = queries_of(alarm)
        period = period_of(queries)
        end = math.floor(self._simulator.clock.now().timestamp() / period) * period
        until = datetime.fromtimestamp(end, timezone.utc)
        start = until - timedelta(seconds=period * alarm["EvaluationPeriods"])
        values = series_of(self._metrics, queries, start, until)[_returned(queries)["Id"]]
        points = [values.get(at) for at in times_between(start, until, period)]
        state = self._judge(alarm, points)
        if state is not None:
            self.set_state(alarm, state, _reason(alarm, state, points))

    @staticmethod
    def _judge(alarm: dict[str, Any], points: list[float | None]) -> str | None:
        """The state that the newest datapoints give; None to stay as it is."""
        treat = alarm.get("TreatMissingData", "missing")
        compare = _COMPARISONS[alarm["ComparisonOperator"]][0]
        breaches = [
            _MISSING.get(treat) if one is None else compare(one, alarm["Threshold"]) for one in points
        ]
        known = [one for one in breaches if one is not None]
        if not known:
            return None if treat == "ignore" else "INSUFFICIENT_DATA"
        needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
        return "ALARM" if sum(known) >= needed else "OK"


def queries_of(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """An alarm's metric as metric data queries."""
    if "Metrics" in alarm:
        queries: list[dict[str, Any]] = alarm["Metrics"]
        return queries
    metric = {name: alarm[name] for name in ("Namespace", "MetricName", "Dimensions") if name in alarm}
    stat = alarm.get("Statistic") or alarm["ExtendedStatistic"]
    return [{"Id": "m1", "MetricStat": {"Metric": metric, "Period": alarm["Period"], "Stat": stat}}]


def period_of(queries: list[dict[str, Any]]) -> int:
    """In seconds."""
    given = [one["MetricStat"]["Period"] for one in queries if "MetricStat" in one]
    return max(60, int(min(given, default=60)))


def _returned(queries: list[dict[str, Any]]) -> dict[str, Any]:
    found = [one for one in queries if one.get("ReturnData", True)]
    if len(found) != 1:
        raise _invalid("Exactly one element of the metrics list should return data.")
    return found[0]


def _reason(alarm: dict[str, Any], state: str, points: list[float | None]) -> str:
    known = [one for one in points if one is not None]
    if state == "INSUFFICIENT_DATA":
        return "Insufficient Data: no datapoints were received."
    words = _COMPARISONS[alarm["ComparisonOperator"]][1]
    needed = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    was, be = ("were", "datapoints") if len(known) != 1 else ("was", "datapoint")
    negation = "" if state == "ALARM" else "not "
    return (
        f"Threshold Crossed: {len(known)} {be} {known} {was} {negation}{words} the threshold ({alarm['Threshold']}) "
        f"(minimum {needed} for a transition to ALARM)."
    )


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationError", message)


@operation("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Make an alarm, or change one: it keeps its state then."""
    _check(params)
    alarms, name, now = simulator.room(Alarms), params["AlarmName"], simulator.clock.now()
    old = alarms.alarms.get(name, {})
    state = {
        "StateValue": old.get("StateValue", "INSUFFICIENT_DATA"),
        "StateReason": old.get("StateReason", "Unchecked: Initial alarm creation"),
        "StateUpdatedTimestamp": old.get("StateUpdatedTimestamp", now),
    }
    kept = {key: value for key, value in params.items() if key != "Tags"}
    alarms.alarms[name] = {
        "ActionsEnabled": True,
        "OKActions": [],
        "AlarmActions": [],
        "InsufficientDataActions": [],
        **({} if "Metrics" in params else {"Dimensions": []}),
        **kept,
        **state,
        # an ARN keeps the letters of an alarm's name
        "AlarmArn": f"arn:aws:cloudwatch:{simulator.region}:{simulator.account}:alarm:{name}",
        "AlarmConfigurationUpdatedTimestamp": now,
    }
    return {}


def _check(params: dict[str, Any]) -> None:
    if "Metrics" in params:
        if mixed := [name for name in _ONE_METRIC if name in params]:
            raise _invalid(f"With Metrics, there can't be {', '.join(mixed)}.")
        _returned(params["Metrics"])
    else:
        needed = ("MetricName", "Namespace", "Period")
        if lacking := [name for name in needed if name not in params]:
            raise _invalid(f"The parameter(s) {', '.join(lacking)} must be present, or Metrics.")
        if ("Statistic" in params) == ("ExtendedStatistic" in params):
            raise _invalid("Give exactly one of Statistic and ExtendedStatistic.")
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if name not in params:
            raise _invalid(f"The parameter {name} must be present.")
    if params["ComparisonOperator"] not in _COMPARISONS:
        raise _invalid(f"The comparison {params['ComparisonOperator']} is not simulated.")
    if params.get("DatapointsToAlarm", 1) > params["EvaluationPeriods"]:
        raise _invalid("DatapointsToAlarm must not be greater than EvaluationPeriods.")


@operation("cloudwatch", "DescribeAlarms")
def describe_alarms(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """By names, by the beginning of the name, or by state."""
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix", "")
    found = [
        one
        for name, one in sorted(simulator.room(Alarms).alarms.items())
        if (not names or name in names)
        and name.startswith(prefix)
        and params.get("StateValue", one["StateValue"]) == one["StateValue"]
    ]
    size = {"MaxResults": params["MaxRecords"]} if "MaxRecords" in params else {}
    shown, more = page(found, {"NextToken": params.get("NextToken"), **size}, dict, most=50)
    return {"MetricAlarms": shown, "CompositeAlarms": [], **more}


@operation("cloudwatch", "DeleteAlarms")
def delete_alarms(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """All of them, or none if one is not there."""
    alarms = simulator.room(Alarms).alarms
    if unknown := [name for name in params["AlarmNames"] if name not in alarms]:
        raise ApiError("ResourceNotFound", f"Unknown alarms: {', '.join(unknown)}", 404)
    for name in params["AlarmNames"]:
        del alarms[name]
    return {}


@operation("cloudwatch", "SetAlarmState")
def set_alarm_state(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Until alarms are looked at again."""
    alarms = simulator.room(Alarms)
    alarm = alarms.alarms.get(params["AlarmName"])
    if alarm is None:
        raise ApiError("ResourceNotFound", f"Unknown alarm: {params['AlarmName']}", 404)
    alarms.set_state(alarm, params["StateValue"], params["StateReason"])
    alarms.tell()
    return {}
