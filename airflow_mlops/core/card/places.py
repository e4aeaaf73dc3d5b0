"""The places of one version in the traffic, with what proves them, and when somebody went back from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry import places as registry
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.serving.served import Served
from airflow_mlops.core.times import in_utc


class Place(registry.Place):
    """A place of the version. :param proved: when the endpoint was first proved to serve so, None without a proof."""

    proved: datetime | None = None


class Left(Record):
    """The version was champion, and somebody went back to another one or to the fallback rule.

    :param to: the version that answers instead, None for the fallback rule.
    """

    at: datetime
    to: int | None
    who: str
    why: str


def places(
    entries: Iterable[tuple[int, Deployment]], version: int, moment: datetime, proofs: Sequence[Served] = ()
) -> tuple[Place, ...]:
    """The places of a version, oldest first.

    :param entries: of the deployment log with their numbers, oldest first.
    :param moment: time at which leases are judged.
    """
    own = [one for one in registry.places(entries, moment) if one.version == version]
    return tuple(Place(**dict(one), proved=_first(one, proofs)) for one in own)


def left(entries: Iterable[Deployment], version: int) -> tuple[Left, ...]:
    """When people or the judge went back from a champion. :param entries: oldest first."""
    return tuple(
        Left(at=in_utc(entry.at), to=registry.answering(entry), who=entry.who, why=entry.why)
        for before, entry in pairwise(entries)
        if registry.answering(before) == version != registry.answering(entry)
        and entry.action in ("rollback", "fallback")
    )


def _first(place: registry.Place, proofs: Sequence[Served]) -> datetime | None:
    for proof in proofs:
        at, desired = in_utc(proof.at), proof.desired
        if at < place.since or (place.until is not None and at > place.until):
            continue
        if place.role == "champion" and desired.champion == place.version and desired.mode != "fallback":
            return at
        served = (desired.challenger, desired.mode, desired.weight)
        if served == (place.version, place.role, place.weight):
            return at
    return None
