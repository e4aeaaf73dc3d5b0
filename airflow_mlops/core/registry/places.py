"""When each version was where in the traffic, out of the deployment log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from airflow_mlops.core.record import Record
from airflow_mlops.core.times import in_utc

Role = Literal["champion", "shadow", "canary"]
_Key = tuple[int, Role, float]


class Entry(Protocol):
    """What is needed of a :class:`~airflow_mlops.core.registry.deployment.Deployment`."""

    @property
    def action(self) -> str:
        """What was decided."""

    @property
    def champion(self) -> int | None:
        """The version that answers."""

    @property
    def challenger(self) -> int | None:
        """The version beside it."""

    @property
    def weight(self) -> float:
        """A canary's share of live requests."""

    @property
    def lease_until(self) -> datetime | None:
        """When the challenger's place ends by itself."""

    @property
    def who(self) -> str:
        """Who decided."""

    @property
    def why(self) -> str:
        """Their reason."""

    @property
    def at(self) -> datetime:
        """When."""


class Place(Record):
    """A version's place in the traffic, as long as it was the same; times are in UTC.

    :param weight: a canary's share of live requests, 0 for a shadow and for the champion.
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


class Ruled(Record):
    """A time in which the fallback rule answered. :param until: None while it does."""

    since: datetime
    until: datetime | None = None


@dataclass
class _Open:
    since: datetime
    who: str
    why: str
    lease: datetime | None = None
    entries: list[int] = field(default_factory=list)


def answering(entry: Entry) -> int | None:
    """The version that answers live requests by this entry, None for the fallback rule."""
    return None if entry.action == "fallback" else entry.champion


def places(entries: Iterable[tuple[int, Entry]], now: datetime) -> list[Place]:
    """The places of all versions, in the order in which they began.

    A challenger's place ends with its lease, too. While the fallback rule answers nobody has a place. No place ends
    before it began, also where the clock of another writer was behind.

    :param entries: of the deployment log with their numbers, oldest first; some may be missing.
    """
    done: list[Place] = []
    held: dict[_Key, _Open] = {}
    for number, entry in entries:
        at = in_utc(entry.at)
        done += _over(held, at)
        wanted = dict(_wanted(entry))
        ended = f"{entry.action} by {entry.who}: {entry.why}"
        done += [_closed(key, held.pop(key), at, ended) for key in held.keys() - wanted.keys()]
        for key, lease in wanted.items():
            kept = held.setdefault(key, _Open(at, entry.who, entry.why))
            kept.entries.append(number)
            kept.lease = lease
    done += _over(held, in_utc(now))
    done += [_closed(key, kept, None, None) for key, kept in held.items()]
    return sorted(done, key=lambda one: (one.since, one.entries, one.version))


def ruled(entries: Iterable[tuple[int, Entry]]) -> list[Ruled]:
    """The times in which the fallback rule answered, oldest first. :param entries: as for :func:`places`."""
    done: list[Ruled] = []
    since: datetime | None = None
    for _, entry in entries:
        at = in_utc(entry.at)
        if answering(entry) is None:
            since = since or at
        elif since is not None:
            done.append(Ruled(since=since, until=max(since, at)))
            since = None
    return [*done, Ruled(since=since)] if since else done


def _wanted(entry: Entry) -> Iterator[tuple[_Key, datetime | None]]:
    """The places that an entry gives, each with the end of its lease."""
    champion = answering(entry)
    if champion is None:
        return
    yield (champion, "champion", 0.0), None
    if entry.challenger is not None and entry.action in ("shadow", "canary"):
        role: Role = "shadow" if entry.action == "shadow" else "canary"
        yield (entry.challenger, role, entry.weight), in_utc(entry.lease_until) if entry.lease_until else None


def _over(held: dict[_Key, _Open], now: datetime) -> list[Place]:
    """The places whose lease is over; they are taken out."""
    over = [key for key, kept in held.items() if kept.lease is not None and kept.lease <= now]
    return [_closed(key, kept := held.pop(key), kept.lease, "its lease was over") for key in over]


def _closed(key: _Key, kept: _Open, until: datetime | None, ended: str | None) -> Place:
    version, role, weight = key
    return Place(
        version=version,
        role=role,
        weight=weight,
        since=kept.since,
        until=None if until is None else max(until, kept.since),
        entries=tuple(kept.entries),
        who=kept.who,
        why=kept.why,
        ended=ended,
    )
