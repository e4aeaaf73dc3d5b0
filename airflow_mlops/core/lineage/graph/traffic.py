"""When a version was in the traffic, and as what: spans of time, out of the deployment log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from airflow_mlops.core.lineage.graph.index import DeploymentEntry
from airflow_mlops.core.record import Record

Role = Literal["champion", "shadow", "canary"]
_Place = tuple[int, Role, float]


class Span(Record):
    """A version's place in the traffic, as long as it was the same.

    :param weight: a canary's share of live requests.
    :param until: None while it lasts.
    :param entries: numbers of the deployment log's entries that kept it there.
    :param who, why: of the first of them.
    :param ended: who ended it, and why; None while it lasts.
    """

    version: int
    role: Role
    weight: float = 0.0
    since: datetime
    until: datetime | None = None
    entries: tuple[int, ...]
    who: str
    why: str
    ended: str | None = None


@dataclass
class _Open:
    since: datetime
    who: str
    why: str
    lease: datetime | None = None
    entries: list[int] = field(default_factory=list)


def spans(entries: Iterable[tuple[int, DeploymentEntry]], now: datetime) -> list[Span]:
    """The spans of all versions, in the order in which they began.

    A challenger's place ends with its lease, too. While the fallback rule answers nobody has a place.

    :param entries: of the deployment log with their numbers, oldest first.
    """
    done: list[Span] = []
    places: dict[_Place, _Open] = {}
    for number, entry in entries:
        done += _over(places, entry.at)
        wanted = dict(_places(entry))
        for place in places.keys() - wanted.keys():
            done.append(
                _span(place, places.pop(place), entry.at, f"{entry.action} by {entry.who}: {entry.why}")
            )
        for place, lease in wanted.items():
            held = places.setdefault(place, _Open(entry.at, entry.who, entry.why))
            held.entries.append(number)
            held.lease = lease
    done += _over(places, now)
    done += [_span(place, held, None, None) for place, held in places.items()]
    return sorted(done, key=lambda one: (one.since, one.entries, one.version))


def _places(entry: DeploymentEntry) -> Iterator[tuple[_Place, datetime | None]]:
    if entry.action == "fallback":
        return
    if entry.champion is not None:
        yield (entry.champion, "champion", 0.0), None
    if entry.challenger is not None and entry.action in ("shadow", "canary"):
        role: Role = "shadow" if entry.action == "shadow" else "canary"
        yield (entry.challenger, role, entry.weight), entry.lease_until


def _over(places: dict[_Place, _Open], now: datetime) -> list[Span]:
    """The places whose lease is over; they are taken out."""
    ended = [one for one, held in places.items() if held.lease is not None and held.lease <= now]
    return [_span(one, held := places.pop(one), held.lease, "its lease was over") for one in ended]


def _span(place: _Place, held: _Open, until: datetime | None, ended: str | None) -> Span:
    version, role, weight = place
    return Span(
        version=version,
        role=role,
        weight=weight,
        since=held.since,
        until=until,
        entries=tuple(held.entries),
        who=held.who,
        why=held.why,
        ended=ended,
    )
