"""CloudWatch's metrics: by the minute of the simulated clock."""

from __future__ import annotations

import math
import threading
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.api import ApiError, operation
from airflow_mlops.testing.sagemaker.metric_math import Series, evaluate

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.simulator import Simulator

#: Namespace, name, and dimensions in the order of their names.
Key = tuple[str, str, tuple[tuple[str, str], ...]]
_MINUTE = 60
#: How long single values are kept, for percentiles, in minutes.
_DETAIL = 180


def key_of(namespace: str, name: str, dimensions: Iterable[tuple[str, str]]) -> Key:
    """The key of a metric."""
    return namespace, name, tuple(sorted(dimensions))


@dataclass
class Bucket:
    """The values of one period, added up. :param values: each of them, where they are still known."""

    count: float = 0.0
    total: float = 0.0
    least: float = math.inf
    most: float = -math.inf
    unit: str = "None"
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, value: float) -> None:
        """One more value."""
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        self.values.append(value)

    def merge(self, other: Bucket) -> None:
        """The values of another period."""
        self.count += other.count
        self.total += other.total
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        self.unit = other.unit
        self.values.extend(other.values)

    def statistic(self, name: str) -> float:
        """``Average``, ``Sum``, ``Minimum``, ``Maximum``, ``SampleCount`` or a percentile such as ``p99``.

        :raises ApiError: for any other.
        """
        plain = {"Sum": self.total, "Minimum": self.least, "Maximum": self.most, "SampleCount": self.count}
        if name in plain:
            return plain[name]
        if name == "Average":
            return self.total / self.count
        try:
            share = float(name.removeprefix("p")) / 100
        except ValueError:
            share = -1.0
        if not (name.startswith("p") and 0 <= share <= 1):
            raise ApiError("ValidationError", f"The statistic {name} is not simulated.")
        ordered = sorted(self.values) or [self.total / self.count]
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Metrics:
    """The room: all metrics, and what happens each minute."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._lock = threading.Lock()
        self._buckets: dict[Key, dict[int, Bucket]] = {}
        self._each_minute: list[Callable[[], None]] = []

    def each_minute(self, action: Callable[[], None], *, last: bool = False) -> None:
        """Do something at the end of every minute. :param last: after what is not."""
        self._each_minute.insert(len(self._each_minute) if last else 0, action)
        if len(self._each_minute) == 1:
            self._schedule()

    def record(self, values: Iterable[tuple[Key, float, str]], at: datetime) -> None:
        """Add values with their units."""
        minute = int(at.timestamp() // _MINUTE)
        with self._lock:
            for key, value, unit in values:
                bucket = self._bucket(key, minute)
                bucket.unit = unit
                bucket.add(value)

    def put(self, key: Key, bucket: Bucket, at: datetime) -> None:
        """Add values that were added up already."""
        with self._lock:
            self._bucket(key, int(at.timestamp() // _MINUTE)).merge(bucket)

    def periods(self, key: Key, start: datetime, end: datetime, period: int) -> dict[datetime, Bucket]:
        """What was recorded from ``start`` until before ``end``, by periods of so many seconds."""
        found: dict[datetime, Bucket] = {}
        first, last = start.timestamp() // period * period, end.timestamp()
        with self._lock:
            for minute, bucket in sorted(self._buckets.get(key, {}).items()):
                if first <= minute * _MINUTE < last:
                    begin = minute * _MINUTE // period * period
                    at = datetime.fromtimestamp(begin, timezone.utc)
                    found.setdefault(at, Bucket()).merge(bucket)
        return found

    def _bucket(self, key: Key, minute: int) -> Bucket:
        series = self._buckets.setdefault(key, {})
        if minute not in series:
            series[minute] = Bucket()
            old = series.get(minute - _DETAIL)
            if old is not None:
                old.values = array("d")
        return series[minute]

    def _schedule(self) -> None:
        now = self._simulator.clock.now()
        end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        self._simulator.clock.schedule(end - now, self._minute)

    def _minute(self) -> None:
        for action in list(self._each_minute):
            action()
        self._schedule()


def dimensions_of(given: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """As pairs."""
    return [(one["Name"], one["Value"]) for one in given]


def series_of(
    metrics: Metrics, queries: Sequence[dict[str, Any]], start: datetime, end: datetime
) -> dict[str, Series]:
    """The values of metric data queries, by their ids.

    :raises ApiError: if an expression is wrong.
    """
    found: dict[str, Series] = {}
    period = min((one["MetricStat"]["Period"] for one in queries if "MetricStat" in one), default=_MINUTE)
    for one in queries:
        if "MetricStat" in one:
            stat, metric = one["MetricStat"], one["MetricStat"]["Metric"]
            key = key_of(
                metric["Namespace"], metric["MetricName"], dimensions_of(metric.get("Dimensions", ()))
            )
            buckets = metrics.periods(key, start, end, stat["Period"])
            found[one["Id"]] = {at: bucket.statistic(stat["Stat"]) for at, bucket in buckets.items()}
    times = times_between(start, end, period)
    waiting = [one for one in queries if "Expression" in one]
    while waiting:
        ready = [one for one in waiting if not _needs(one, waiting)]
        for one in ready or waiting:
            try:
                found[one["Id"]] = evaluate(one["Expression"], found, times)
            except ValueError as error:
                raise ApiError("ValidationError", str(error)) from None
            waiting.remove(one)
    return found


def times_between(start: datetime, end: datetime, period: int) -> list[datetime]:
    """The beginnings of the periods in a stretch of time."""
    first = int(start.timestamp() // period * period)
    return [
        datetime.fromtimestamp(at, timezone.utc) for at in range(first, math.ceil(end.timestamp()), period)
    ]


def _needs(query: dict[str, Any], others: Sequence[dict[str, Any]]) -> bool:
    """Whether an expression uses one that has no values yet."""
    words = set("".join(c if c.isalnum() or c == "_" else " " for c in query["Expression"]).split())
    return any(one["Id"] in words for one in others if one is not query)


@operation("cloudwatch", "PutMetricData")
def put_metric_data(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Single values, values with counts, or statistics."""
    metrics = simulator.room(Metrics)
    if params["Namespace"].startswith("AWS/"):
        raise ApiError(
            "InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid: it is reserved."
        )
    for datum in params.get("MetricData", ()):
        key = key_of(params["Namespace"], datum["MetricName"], dimensions_of(datum.get("Dimensions", ())))
        bucket = _datum(datum)
        bucket.unit = datum.get("Unit", "None")
        metrics.put(key, bucket, datum.get("Timestamp") or simulator.clock.now())
    return {}


def _datum(datum: dict[str, Any]) -> Bucket:
    if "StatisticValues" in datum:
        given = datum["StatisticValues"]
        return Bucket(given["SampleCount"], given["Sum"], given["Minimum"], given["Maximum"])
    bucket = Bucket()
    values = datum["Values"] if "Values" in datum else [datum.get("Value", 0.0)]
    for value, count in zip(values, datum.get("Counts") or [1] * len(values), strict=True):
        for _ in range(int(count)):
            bucket.add(float(value))
    return bucket


@operation("cloudwatch", "GetMetricData")
def get_metric_data(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Values of several metrics and expressions, newest first unless asked otherwise."""
    queries = params["MetricDataQueries"]
    found = series_of(simulator.room(Metrics), queries, params["StartTime"], params["EndTime"])
    newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = []
    for one in queries:
        if not one.get("ReturnData", True):
            continue
        points = sorted(found[one["Id"]].items(), reverse=newest_first)
        label = one.get("MetricStat", {}).get("Metric", {}).get("MetricName", one["Id"])
        results.append(
            {
                "Id": one["Id"],
                "Label": one.get("Label", label),
                "Timestamps": [at for at, _ in points],
                "Values": [value for _, value in points],
                "StatusCode": "Complete",
            }
        )
    return {"MetricDataResults": results, "Messages": []}


@operation("cloudwatch", "GetMetricStatistics")
def get_metric_statistics(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Statistics of one metric by periods."""
    names, extended = params.get("Statistics", ()), params.get("ExtendedStatistics", ())
    if bool(names) == bool(extended):
        raise ApiError(
            "InvalidParameterCombination", "Give exactly one of Statistics and ExtendedStatistics."
        )
    key = key_of(params["Namespace"], params["MetricName"], dimensions_of(params.get("Dimensions", ())))
    found = simulator.room(Metrics).periods(key, params["StartTime"], params["EndTime"], params["Period"])
    points: list[dict[str, Any]] = []
    for at, bucket in found.items():
        point = {"Timestamp": at, "Unit": bucket.unit, **{name: bucket.statistic(name) for name in names}}
        if extended:
            point["ExtendedStatistics"] = {name: bucket.statistic(name) for name in extended}
        points.append(point)
    return {"Label": params["MetricName"], "Datapoints": points}
