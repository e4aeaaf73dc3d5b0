"""Who is at work: the audit log names them beside everything that is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """A person or a task; ``run`` is the key of the Airflow run with the task, None outside of Airflow."""

    who: str
    run: str | None = None


_UNKNOWN = Actor("unknown")
_actor: ContextVar[Actor] = ContextVar("airflow_mlops_actor", default=_UNKNOWN)


def actor() -> Actor:
    """Who is at work here; ``unknown`` where nobody said so."""
    return _actor.get()


def act_as(who: str, run: str | None = None) -> None:
    """Say who is at work from here on, in this thread and in what it starts with its context."""
    _actor.set(Actor(who, run))


@contextmanager
def acting(who: str, run: str | None = None) -> Iterator[None]:
    """As :func:`act_as`, until the block ends."""
    before = _actor.set(Actor(who, run))
    try:
        yield
    finally:
        _actor.reset(before)
