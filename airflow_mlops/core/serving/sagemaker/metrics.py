"""What CloudWatch counts of an endpoint's variants, minute by minute.

https://docs.aws.amazon.com/sagemaker/latest/dg/monitoring-cloudwatch.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Literal

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.base import Series

Metric = Literal["errors", "invocations", "latency", "memory", "cpu"]
MINUTE = timedelta(minutes=1)
_VCPUS = re.compile(r"\.(\d*)(medium|large|xlarge)$")
#: Types whose name does not tell how many cores they have.
_ODD = {"ml.t2.medium": 2, "ml.c4.8xlarge": 36}


@dataclass(frozen=True)
class _Source:
    """Where a metric comes from. :param scale: turns its unit into ours."""

    namespace: str
    name: str
    statistic: str
    scale: float = 1.0


_REQUESTS, _MACHINES = "AWS/SageMaker", "/aws/sagemaker/Endpoints"
_SOURCES: Mapping[str, _Source] = {
    "errors": _Source(_REQUESTS, "Invocation5XXErrors", "Sum"),
    "invocations": _Source(_REQUESTS, "Invocations", "Sum"),
    "latency": _Source(_REQUESTS, "ModelLatency", "Average", 1e-3),  # microseconds
    "memory": _Source(_MACHINES, "MemoryUtilization", "Maximum"),
    "cpu": _Source(_MACHINES, "CPUUtilization", "Maximum"),  # 100 per core
}


def cores_of(machine: str) -> int:
    """Number of virtual cores of an instance type; 1 for one whose name does not tell."""
    if machine in _ODD:
        return _ODD[machine]
    found = _VCPUS.search(machine)
    if found is None:
        return 1
    if found[2] == "xlarge":
        return 4 * int(found[1] or 1)
    return 2 if found[2] == "large" else 1


class VariantMetrics:
    """Series of an endpoint's variants, one value a minute.

    :param name: of the endpoint.
    :param machine: the instance type of a variant.
    """

    def __init__(self, aws: Aws, name: str, machine: Callable[[str], str]) -> None:
        self._aws = aws
        self._name = name
        self._machine = machine

    def series(
        self, metric: Metric, variants: Sequence[str], since: datetime, until: datetime
    ) -> Mapping[str, Series]:
        """One metric of some variants, from ``since`` to ``until`` (aware), oldest first.

        ``errors`` (answers 5xx) and ``invocations`` are numbers, ``latency`` is the mean of the model's in
        milliseconds, ``memory`` and ``cpu`` are per cent of the machine that has most of it taken. A variant without
        values is left out; so is a minute.

        :raises EndpointError: if CloudWatch can't be asked.
        """
        return self.several((metric,), variants, since, until)[metric]

    def several(
        self, metrics: Sequence[Metric], variants: Sequence[str], since: datetime, until: datetime
    ) -> Mapping[str, Mapping[str, Series]]:
        """Several metrics in one call; see :meth:`series`."""
        wanted = [(metric, variant) for metric in metrics for variant in variants]
        queries = [self._query(f"q{place}", *one) for place, one in enumerate(wanted)]
        found: dict[str, dict[str, Series]] = {metric: {} for metric in metrics}
        values = self._values(queries, since, until) if queries else {}
        for place, (metric, variant) in enumerate(wanted):
            series = values.get(f"q{place}")
            if series:
                scale = _SOURCES[metric].scale
                if metric == "cpu":
                    scale /= cores_of(self._machine(variant))
                found[metric][variant] = tuple((at, value * scale) for at, value in sorted(series.items()))
        return found

    def _query(self, name: str, metric: str, variant: str) -> dict[str, Any]:
        source = _SOURCES[metric]
        dimensions = [
            {"Name": "EndpointName", "Value": self._name},
            {"Name": "VariantName", "Value": variant},
        ]
        what = {"Namespace": source.namespace, "MetricName": source.name, "Dimensions": dimensions}
        stat = {"Metric": what, "Period": int(MINUTE.total_seconds()), "Stat": source.statistic}
        return {"Id": name, "MetricStat": stat, "ReturnData": True}

    def _values(
        self, queries: list[dict[str, Any]], since: datetime, until: datetime
    ) -> dict[str, dict[datetime, float]]:
        """Values by query and minute, page by page."""
        start, end = minute_of(since), minute_of(until)
        values: dict[str, dict[datetime, float]] = {}
        request: dict[str, Any] = {
            "MetricDataQueries": queries,
            "StartTime": start,
            "EndTime": end,
            "ScanBy": "TimestampAscending",
        }
        method = self._aws.client("cloudwatch").get_metric_data
        while start < end:
            answer = call(method, request, f"get metrics of {self._name}", kind=EndpointError) or {}
            for one in answer.get("MetricDataResults", ()):
                times = (at.astimezone(timezone.utc) for at in one.get("Timestamps", ()))
                values.setdefault(one["Id"], {}).update(zip(times, one.get("Values", ()), strict=False))
            if not answer.get("NextToken"):
                break
            request["NextToken"] = answer["NextToken"]
        return values


def minute_of(at: datetime) -> datetime:
    """The beginning of a minute, in UTC."""
    return at.astimezone(timezone.utc).replace(second=0, microsecond=0)
