"""The story of a version as steps of a page: what happened in a line, and what belongs to it folded below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.card.reading import when
from airflow_mlops.core.card.story_events import Event
from airflow_mlops.core.card.wording import line

#: Steps that are shown of a long story: its beginning and its end.
_FIRST, _LAST = 40, 120
#: Lines that are shown of one step.
_DETAILS = 30
_SAID = 400


@dataclass(frozen=True)
class Step:
    """One thing that happened.

    :param at: when, in UTC; None where it is only known to lie right before the next step.
    :param details: lines below it; ``more`` of them are left out.
    """

    kind: str
    said: str
    at: datetime | None
    details: tuple[str, ...]
    more: int


@dataclass(frozen=True)
class Timeline:
    """The steps, oldest first. :param hidden: so many between the first and the last ones are left out."""

    first: tuple[Step, ...]
    hidden: int
    last: tuple[Step, ...]


def timeline(events: Sequence[Event]) -> Timeline:
    """The steps of a story."""
    hidden = max(0, len(events) - _FIRST - _LAST)
    first = events[:_FIRST] if hidden else events
    last = events[-_LAST:] if hidden else ()
    return Timeline(tuple(map(_step, first)), hidden, tuple(map(_step, last)))


def _step(event: Event) -> Step:
    return Step(
        kind=event.kind,
        said=line(event.said, _SAID),
        at=when(event.at) if event.dated else None,
        details=tuple(line(one, _SAID) for one in event.details[:_DETAILS]),
        more=max(0, len(event.details) - _DETAILS),
    )
