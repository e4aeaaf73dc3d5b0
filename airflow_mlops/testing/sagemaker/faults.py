"""Faults that tests order: the next calls of an operation fail, or what a resource does next goes wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from airflow_mlops.testing.sagemaker.api import ApiError

KINDS = ("error", "capacity", "interrupted", "stopped", "internal", "update_fails", "rollback_fails")


@dataclass
class Fault:
    """What goes wrong, so many times.

    :param kind: ``error`` for an answer with ``code``; the others happen to jobs and endpoints: ``capacity`` (no
        machines), ``interrupted`` (a spot job loses its machines), ``stopped`` (SageMaker stops a job), ``internal``
        (an error of SageMaker's own), ``update_fails`` and ``rollback_fails`` (an endpoint's update, its way back).
    :param operation: of the SageMaker API, e.g. ``CreateTrainingJob``; None for any.
    :raises ValueError: if there is no such kind, or it would never happen.
    """

    kind: str
    operation: str | None = None
    code: str = "ThrottlingException"
    message: str = "Rate exceeded"
    status: int = 400
    times: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}: it is one of {', '.join(KINDS)}")
        if self.times < 1:
            raise ValueError(f"a fault happens once at least, not {self.times} times")


@dataclass
class Faults:
    """The faults that are still to come."""

    waiting: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def order(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self.waiting.append(fault)

    def take(self, kind: str, operation: str | None = None) -> Fault | None:
        """A fault of this kind, if one was ordered; it is used up by this."""
        with self._lock:
            for fault in self.waiting:
                if fault.kind == kind and fault.operation in (None, operation):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.waiting.remove(fault)
                    return fault
        return None

    def refuse(self, operation: str) -> None:
        """:raises ApiError: if this call was ordered to fail."""
        fault = self.take("error", operation)
        if fault is not None:
            raise ApiError(fault.code, fault.message, fault.status)
