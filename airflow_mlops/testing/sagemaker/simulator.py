"""The simulated account: what all operations share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from airflow_mlops.testing.sagemaker.clock import Clock
from airflow_mlops.testing.sagemaker.faults import Faults

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """How long things take that do nothing real here.

    :param step: each step of a job that only waits (starting, downloading, uploading, stopping).
    :param machines: bringing up machines for an endpoint, beside loading the models, which takes as long as it takes.
    :param startup: how long, in real time, the container of an endpoint may take to answer ``/ping`` where its
        configuration grants it more.
    :param invocation: how long, in real time, a container may take for a request; SageMaker grants 60 s.
    :param capture: how long, in real time, captured requests are collected before they are written to S3.
    :param lag: how old the state may be that a Describe or List shows (eventual consistency).
    """

    step: timedelta = timedelta(milliseconds=200)
    machines: timedelta = timedelta(milliseconds=300)
    startup: timedelta | None = None
    invocation: timedelta = timedelta(seconds=60)
    capture: timedelta = timedelta(seconds=1)
    lag: timedelta = timedelta(0)


@dataclass
class Simulator:
    """One account in one region.

    :param home: folder for what jobs and containers work with.
    :param s3: makes a boto3 client of the S3 server.
    :param s3_url: of that server; jobs and containers get it as ``AWS_ENDPOINT_URL_S3``.
    :param role: further environment of jobs and containers: the credentials of the role that they run as.
    :param seed: of the chances that choose variants and sample captures; None for others each time.
    """

    home: Path
    s3: Callable[[], Any]
    s3_url: str | None = None
    region: str = "eu-central-1"
    account: str = "123456789012"
    timing: Timing = Timing()
    role: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)
    faults: Faults = field(default_factory=Faults)
    #: Where it listens, once it does.
    url: str | None = None
    clock: Clock = field(init=False)
    _rooms: dict[type, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Clock(self.lock)

    def room(self, kind: Callable[[Simulator], T]) -> T:
        """The one state of a kind, made at first use: each group of operations keeps its own."""
        with self.lock:
            if kind not in self._rooms:
                self._rooms[kind] = kind(self)  # type: ignore[index]
            found: T = self._rooms[kind]  # type: ignore[index]
            return found

    def role_environment(self) -> dict[str, str]:
        """What jobs and containers find in their environment of S3 and credentials."""
        # whatever else a program asks for, it asks here and not of AWS
        elsewhere = {"AWS_ENDPOINT_URL": self.url} if self.url else {}
        s3 = {"AWS_ENDPOINT_URL_S3": self.s3_url} if self.s3_url else {}
        return {**elsewhere, **s3, **self.role}

    def arn(self, kind: str, name: str, service: str = "sagemaker") -> str:
        """The ARN of something in this account, e.g. of kind ``endpoint``."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{kind}/{name.lower()}"

    def start(self) -> None:
        """Let time run."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.clock.start()

    def stop(self) -> None:
        """End time and every process; rooms with a ``stop`` are told."""
        self.clock.stop()
        for room in list(self._rooms.values()):
            getattr(room, "stop", lambda: None)()
