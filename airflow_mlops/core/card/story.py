"""The full story of a version or of a model: what happened, in the order of time, in plain lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from airflow_mlops.core.card.card import stands
from airflow_mlops.core.card.dossier import Dossier, gather
from airflow_mlops.core.card.history import History
from airflow_mlops.core.card.reading import Gap
from airflow_mlops.core.card.story_events import Event, of_life, of_making, of_traffic
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.policies import PolicyChange
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.store import Store
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line, moment, second, short


class Story(Record):
    """What happened, oldest first.

    :param about: ``model`` or ``model:version``.
    :param now: how it stands at ``as_of``, in one line.
    """

    about: str
    as_of: datetime
    events: tuple[Event, ...]
    now: str
    gaps: tuple[Gap, ...]


def tell(store: Store, model: str, version: int | None = None, *, as_of: datetime | None = None) -> Story:
    """The story of a version, or without one of all versions of a model.

    :param as_of: only what was known then; None for all.
    :raises RegistryError: if there is no such version, or nothing was registered then.
    """
    history = History(store, model, as_of, whole=version is None)
    if version is not None:
        return of_dossier(gather(store, model, version, as_of=as_of, history=history))
    dossiers = _all(store, model, as_of, history)
    events = [event for one in dossiers for event in _events(one)]
    events += [_ended(one) for one in history.releases if one.version is None and one.event == "refused"]
    events += [_changed(one) for one in history.policies]
    newest = max(dossiers, key=lambda one: in_utc(one.as_of))
    champion = next((one for one in reversed(dossiers) if one.place and one.place.role == "champion"), None)
    now = stand(champion) if champion else f"no version of {model} answers requests"
    return _story(model, [newest], events, now)


def of_dossier(dossier: Dossier) -> Story:
    """The story of one version."""
    return _story(dossier.name, [dossier], _events(dossier), stand(dossier))


def stand(dossier: Dossier) -> str:
    """How a version stands, in one line."""
    (word, told), _ = stands(dossier)
    return f"{dossier.name} is {word[:1].lower()}{word[1:]} {told}".rstrip(".")


def lines(story: Story) -> Iterator[str]:
    """The story for a terminal: a line for each event, what belongs to it indented below, and how it stands now."""
    width = max((len(event.kind) for event in story.events), default=0)
    for event in story.events:
        time = second(event.at) if event.dated else " " * 19
        yield f"{time}  {event.kind:<{width}}  {event.said}"
        for more in event.details:
            yield f"{'':<19}  {'':<{width}}    {more}"
    for gap in story.gaps:
        yield f"not readable: {line(gap.what)}: {line(gap.why)}"
    yield f"now ({moment(story.as_of)}): {story.now}"


def _all(store: Store, model: str, as_of: datetime | None, history: History) -> list[Dossier]:
    """The dossiers of all versions. :raises RegistryError: if there was none."""
    numbers = tuple(history.versions) or (1,)
    return [gather(store, model, one, as_of=as_of, history=history) for one in numbers]


def _events(dossier: Dossier) -> list[Event]:
    policy = [_changed(dossier.policy)] if dossier.policy else []
    return [*policy, *of_making(dossier), *of_traffic(dossier), *of_life(dossier)]


def _story(about: str, dossiers: list[Dossier], events: Iterable[Event], now: str) -> Story:
    """In the order of time; of one moment in the order of the lifecycle. What two versions share stands once."""
    ordered = sorted(dict.fromkeys(events), key=lambda event: (in_utc(event.at), event.order))
    newest = dossiers[-1]
    return Story(about=about, as_of=newest.as_of, events=tuple(ordered), now=now, gaps=newest.gaps)


def _ended(release: ReleaseEvent) -> Event:
    said = f"a release ended before it had registered a version: {line(release.reason)}"
    return Event(at=release.at, kind="release", said=said, details=(f"run {line(release.run)}",), order=95)


def _changed(policy: PolicyChange) -> Event:
    said = f"{line(policy.who, 100)} brought the spec {short(line(policy.spec))}"
    return Event(at=policy.at, kind="policy", said=said, details=(f"run {line(policy.run)}",), order=4)
