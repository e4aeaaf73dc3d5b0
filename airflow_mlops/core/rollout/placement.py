"""Where a challenger is, since when, and whether somebody holds it there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.registry.deployment import Deployment, is_live
from airflow_mlops.core.wording import second

if TYPE_CHECKING:
    from airflow_mlops.spec import Stage


@dataclass(frozen=True)
class Placement:
    """The newest place in the traffic: one stretch of the deployment log that only hold and resume divide.

    :param number: number of the entry that gave the place; it stands for the whole stretch.
    :param entry: the newest entry, which says who holds or resumed the rollout, and why.
    :param started: when the place was given. Evidence counts from here: the traffic was split alike ever since.
    :param paused: how much of the time since then does not count for the longest duration: all before the newest
        resume, which gives the stage its duration anew, and what it is held now.
    """

    number: int
    entry: Deployment
    started: datetime
    paused: timedelta

    @property
    def held(self) -> bool:
        """Whether the rollout stays where it is until somebody resumes it."""
        return self.entry.held


def placement(entries: Iterable[tuple[int, Deployment]], now: datetime) -> Placement | None:
    """The newest place; None for an empty log.

    :param entries: of the deployment log with their numbers, newest first; read only as far as the place goes.
    """
    stretch: list[tuple[int, Deployment]] = []
    for number, entry in entries:
        if stretch and not _goes_on(entry, stretch[-1][1]):
            break
        stretch.append((number, entry))
    if not stretch:
        return None
    newest, (number, first) = stretch[0][1], stretch[-1]
    # Held entries and others alternate, and the first one is not held.
    counted_from = next((entry.at for _, entry in stretch if not entry.held), first.at)
    counted = (newest.at if newest.held else now) - counted_from
    return Placement(number, newest, first.at, max(timedelta(0), now - first.at - counted))


def out_of_place(place: Placement | None, stage: Stage, version: int, run: str, now: datetime) -> str:
    """Why ``version`` of ``run`` can't be judged in ``stage``; empty when it can."""
    if place is None:
        return f"version {version} is not the challenger: nothing is deployed"
    entry = place.entry
    if entry.run != run or entry.challenger != version:
        return f"version {version} is not the challenger any more: {entry.action} by {entry.who}: {entry.why}"
    if entry.action != stage:
        return f"version {version} is in {entry.action}, not in {stage}"
    if entry.held and not is_live(entry, now):
        held = f"held by {entry.who} since {second(entry.at)} UTC: {entry.why}"
        return f"version {version} was {held}; nobody resumed it before {second(entry.lease_until)} UTC"
    return ""


def _goes_on(earlier: Deployment, later: Deployment) -> bool:
    """Whether ``later`` only holds or resumes what ``earlier`` placed.

    A challenger that came back to the same place after its lease had ended was not in the traffic between.
    """
    return _place(earlier) == _place(later) and is_live(earlier, later.at)


def _place(entry: Deployment) -> tuple[object, ...]:
    return entry.run, entry.action, entry.champion, entry.challenger, entry.weight
