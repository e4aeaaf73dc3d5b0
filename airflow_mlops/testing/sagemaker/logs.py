"""CloudWatch Logs: what jobs and containers print."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_mlops.testing.sagemaker.api import ApiError, operation
from airflow_mlops.testing.sagemaker.listing import page
from airflow_mlops.testing.sagemaker.simulator import Simulator

TRAINING_JOBS = "/aws/sagemaker/TrainingJobs"
TRANSFORM_JOBS = "/aws/sagemaker/TransformJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"
#: GetLogEvents answers as many events as fit 1 MB, but no more than these:
#: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
_MOST_EVENTS = 10_000


@dataclass
class Stream:
    """One log stream. :param created: in ms since 1970."""

    name: str
    created: int
    events: list[tuple[int, str]] = field(default_factory=list)


class Logs:
    """The room: log groups with their streams."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.groups: dict[str, dict[str, Stream]] = {}

    def stream(self, group: str, name: str) -> Stream:
        """A stream, made if it is not there."""
        with self._simulator.lock:
            streams = self.groups.setdefault(group, {})
            if name not in streams:
                streams[name] = Stream(name, milliseconds(self._simulator.clock.now()))
            return streams[name]

    def write(self, group: str, stream: str, message: str) -> None:
        """Add a line."""
        with self._simulator.lock:
            now = milliseconds(self._simulator.clock.now())
            self.stream(group, stream).events.append((now, message))

    def find(self, group: str, stream: str | None = None) -> dict[str, Stream]:
        """:raises ApiError: if there is no such group or stream."""
        streams = self.groups.get(group)
        if streams is None:
            raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
        if stream is None:
            return streams
        if stream not in streams:
            raise ApiError("ResourceNotFoundException", "The specified log stream does not exist.")
        return {stream: streams[stream]}

    def tail(self, group: str, stream: str, lines: int = 20) -> list[str]:
        """The newest lines of a stream."""
        return [message for _, message in self.stream(group, stream).events[-lines:]]


def milliseconds(when: datetime) -> int:
    """Since 1970."""
    return int(when.timestamp() * 1000)


def _group(params: dict[str, Any]) -> str:
    """The name of the group that a request means, by its name or ARN."""
    name: str = params.get("logGroupName") or params.get("logGroupIdentifier", "").rpartition("log-group:")[2]
    return name.removesuffix(":*")


@operation("logs", "DescribeLogGroups")
def describe_log_groups(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Groups by the beginning of their name."""
    logs = simulator.room(Logs)
    names = sorted(name for name in logs.groups if name.startswith(params.get("logGroupNamePrefix", "")))
    shown, more = page(names, _paged(params), lambda name: {"logGroupName": name}, most=50)
    return {"logGroups": shown, **_token(more)}


@operation("logs", "DescribeLogStreams")
def describe_log_streams(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Streams of a group by the beginning of their name, in the order of their names or last events."""
    streams = simulator.room(Logs).find(_group(params)).values()
    prefix = params.get("logStreamNamePrefix", "")
    found = [one for one in streams if one.name.startswith(prefix)]
    by_time = params.get("orderBy") == "LastEventTime"
    found.sort(
        key=lambda one: (one.events[-1][0] if one.events and by_time else 0, one.name),
        reverse=params.get("descending", False),
    )
    shown, more = page(found, _paged(params), _shown, most=50)
    return {"logStreams": shown, **_token(more)}


@operation("logs", "GetLogEvents")
def get_log_events(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of a stream, with tokens to go on either way: at an end, the token is the one that was given."""
    (stream,) = simulator.room(Logs).find(_group(params), params["logStreamName"]).values()
    events = [event for event in stream.events if _between(event[0], params)]
    size = params.get("limit", _MOST_EVENTS)
    start, stop = _window(params, len(events), size)
    shown = [{"timestamp": at, "message": message, "ingestionTime": at} for at, message in events[start:stop]]
    return {"events": shown, "nextForwardToken": f"f/{stop:056d}", "nextBackwardToken": f"b/{start:056d}"}


@operation("logs", "FilterLogEvents")
def filter_log_events(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Events of several streams by time; the pattern is a word that the message holds, or several."""
    streams = simulator.room(Logs).find(_group(params))
    names = params.get("logStreamNames") or [
        name for name in streams if name.startswith(params.get("logStreamNamePrefix", ""))
    ]
    words = params.get("filterPattern", "").replace('"', "").split()
    found = sorted(
        (at, name, number, message)
        for name in names
        for number, (at, message) in enumerate(streams[name].events if name in streams else ())
        if _between(at, params) and all(word in message for word in words)
    )
    shown, more = page(found, _paged(params), _filtered, most=_MOST_EVENTS)
    return {"events": shown, **_token(more)}


def _window(params: dict[str, Any], total: int, size: int) -> tuple[int, int]:
    """Which events to show. Without a token the newest, or with ``startFromHead`` the oldest."""
    token = params.get("nextToken", "")
    if not re.fullmatch(r"|[fb]/\d+", token):
        raise ApiError("InvalidParameterException", "The specified nextToken is invalid.")
    if token.startswith("b/"):
        stop = min(int(token[2:]), total)
        return max(0, stop - size), stop
    start = 0 if params.get("startFromHead") else max(0, total - size)
    if token:
        start = min(int(token[2:]), total)
    return start, min(start + size, total)


def _filtered(event: tuple[int, str, int, str]) -> dict[str, Any]:
    at, name, number, message = event
    return {
        "logStreamName": name,
        "timestamp": at,
        "message": message,
        "ingestionTime": at,
        "eventId": f"{at:020d}{number:010d}",
    }


def _between(at: int, params: dict[str, Any]) -> bool:
    return bool(params.get("startTime", at) <= at <= params.get("endTime", at))


def _shown(stream: Stream) -> dict[str, Any]:
    shown: dict[str, Any] = {"logStreamName": stream.name, "creationTime": stream.created}
    if stream.events:
        last = stream.events[-1][0]
        shown |= {
            "firstEventTimestamp": stream.events[0][0],
            "lastEventTimestamp": last,
            "lastIngestionTime": last,
        }
    return shown


def _paged(params: dict[str, Any]) -> dict[str, Any]:
    size = {"MaxResults": params["limit"]} if "limit" in params else {}
    return {"NextToken": params.get("nextToken"), **size}


def _token(more: dict[str, str]) -> dict[str, str]:
    return {"nextToken": more["NextToken"]} if more else {}
