"""The story of a version as steps of a page: what happened in a line, and what belongs to it folded below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.card.story_events import Event
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line

#: Steps of a long story that stand there: its beginning and its end. So many of those between are folded.
_FIRST, _LAST, _FOLDED = 15, 15, 300
#: Lines that are shown of one step.
_DETAILS = 30
_SAID, _DETAIL = 220, 600


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
    """The steps, oldest first.

    :param first, folded, last: where a story is short, all are in ``first``.
    :param hidden: so many after the folded ones are left out.
    """

    first: tuple[Step, ...]
    folded: tuple[Step, ...] = ()
    hidden: int = 0
    last: tuple[Step, ...] = ()


def timeline(events: Sequence[Event]) -> Timeline:
    """The steps of a story."""
    if len(events) <= _FIRST + _LAST:
        return Timeline(tuple(map(_step, events)))
    between = events[_FIRST:-_LAST]
    return Timeline(
        first=tuple(map(_step, events[:_FIRST])),
        folded=tuple(map(_step, between[:_FOLDED])),
        hidden=max(0, len(between) - _FOLDED),
        last=tuple(map(_step, events[-_LAST:])),
    )


def _step(event: Event) -> Step:
    """What is too long for a line is the first of its details."""
    said = line(event.said, _SAID)
    long = [] if said == line(event.said) else [event.said]
    details = [*long, *event.details]
    return Step(
        kind=event.kind,
        said=said,
        at=in_utc(event.at) if event.dated else None,
        details=tuple(line(one, _DETAIL) for one in details[:_DETAILS]),
        more=max(0, len(details) - _DETAILS),
    )
