"""The log of a model's releases: when each one began, and how it ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

#: What data, training and evaluation may take, beside the stages of the rollout.
_WORK = timedelta(days=1)


class ReleaseEvent(Record):
    """A release began, or ended.

    :param run: key of the release's run.
    :param event: ``began``, or how it ended.
    :param version: what it registered, None if it did not come so far.
    :param reason: why it ended so.
    :param report: hash of the page of its evaluation, None if it did not come so far: a refused model has no record of
        its own that could name it.
    """

    run: str
    event: Literal["began", "promoted", "refused"]
    version: int | None = None
    reason: str = ""
    report: str | None = None
    at: datetime

    @property
    def begins(self) -> bool:
        """Whether it is the beginning of a release."""
        return self.event == "began"


def release_log(store: Store, model: str) -> Log[ReleaseEvent]:
    """The log of all releases of a model."""
    return Log(store, f"models/{model}/releases", ReleaseEvent)


def note_release(store: Store, model: str, event: ReleaseEvent) -> None:
    """Write down that a release began or ended; a retry finds what its first try wrote."""
    release_log(store, model).append_once(
        event, lambda other: (other.run, other.begins) == (event.run, event.begins)
    )


def longest_release(spec: ModelSpec) -> timedelta:
    """How long a release may take that is not dead: a day for its work, people, all stages to their end, one hold."""
    rollout = spec.rollout
    shadow = rollout.shadow.max_duration if rollout.shadow else timedelta(0)
    canary = rollout.canary.max_duration * len(rollout.canary.steps) if rollout.canary else timedelta(0)
    people = spec.approval.longest if spec.approval else timedelta(0)
    return _WORK + people + shadow + canary + rollout.max_hold
