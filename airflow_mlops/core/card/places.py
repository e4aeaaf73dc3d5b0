"""When a version had which place in the traffic, from the deployment log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

from airflow_mlops.core.card.reading import when
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.serving.served import Served

Role = Literal["shadow", "canary", "champion"]


class Place(Record):
    """A stretch of time in which a version had one place.

    :param share: of the live requests that it answers; 1 for the champion, whose challenger may take some.
    :param until: when it ended, None while it lasts.
    :param who, why: of the entry that gave it the place.
    :param ended: who ended it and why, in a line; empty while it lasts.
    :param proved: when the endpoint was first proved to serve so, None where nothing proves it.
    """

    role: Role
    share: float
    since: datetime
    until: datetime | None = None
    who: str
    why: str
    run: str | None = None
    ended: str = ""
    proved: datetime | None = None


class Left(Record):
    """The version was champion, and somebody went back to another one or to the fallback rule.

    :param to: the version that answers instead, None for the fallback rule.
    """

    at: datetime
    to: int | None
    who: str
    why: str


def places(entries: Iterable[Deployment], version: int, moment: datetime) -> tuple[Place, ...]:
    """The places of a version, oldest first.

    :param entries: of the deployment log, oldest first.
    :param moment: time at which leases are judged.
    """
    found: list[Place] = []
    place: Place | None = None
    lease: datetime | None = None
    for entry in entries:
        at, role = when(entry.at), _role(entry, version)
        if place is not None and _same(place, entry, role) and not _over(lease, at):
            lease = when(entry.lease_until) if entry.lease_until else None
            continue
        if place is not None:
            found.append(_ended(place, at, lease, f"{entry.action} by {entry.who}: {entry.why}"))
        place = _begun(entry, role, at) if role else None
        lease = when(entry.lease_until) if role in ("shadow", "canary") and entry.lease_until else None
    if place is not None:
        found.append(_ended(place, moment, lease, "") if _over(lease, moment) else place)
    return tuple(found)


def proved(found: Iterable[Place], version: int, proofs: Sequence[Served]) -> tuple[Place, ...]:
    """The same places, each with the first proof that the endpoint served so."""
    return tuple(one.model_copy(update={"proved": _first(one, version, proofs)}) for one in found)


def left(entries: Iterable[Deployment], version: int) -> tuple[Left, ...]:
    """When people or the judge went back from a champion."""
    found: list[Left] = []
    served = False
    for entry in entries:
        serves = _role(entry, version) == "champion"
        if served and not serves and entry.action in ("rollback", "fallback"):
            to = entry.champion if entry.action == "rollback" else None
            found.append(Left(at=when(entry.at), to=to, who=entry.who, why=entry.why))
        served = serves
    return tuple(found)


def _role(entry: Deployment, version: int) -> Role | None:
    if entry.action == "fallback":
        return None
    if entry.champion == version:
        return "champion"
    if entry.challenger == version:
        return "canary" if entry.weight > 0 else "shadow"
    return None


def _same(place: Place, entry: Deployment, role: Role | None) -> bool:
    return place.role == role and (role == "champion" or place.share == entry.weight)


def _over(lease: datetime | None, at: datetime) -> bool:
    return lease is not None and lease <= at


def _begun(entry: Deployment, role: Role, at: datetime) -> Place:
    share = 1.0 if role == "champion" else entry.weight
    return Place(role=role, share=share, since=at, who=entry.who, why=entry.why, run=entry.run)


def _ended(place: Place, at: datetime, lease: datetime | None, by: str) -> Place:
    if lease is not None and lease <= at:
        return place.model_copy(update={"until": lease, "ended": "its time in the traffic was over"})
    return place.model_copy(update={"until": at, "ended": by})


def _first(place: Place, version: int, proofs: Sequence[Served]) -> datetime | None:
    for proof in proofs:
        at, desired = when(proof.at), proof.desired
        if at < place.since or (place.until is not None and at > place.until):
            continue
        if place.role == "champion" and desired.champion == version and desired.mode != "fallback":
            return at
        if (desired.challenger, desired.mode, desired.weight) == (version, place.role, place.share):
            return at
    return None
