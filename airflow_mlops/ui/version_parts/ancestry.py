"""The lineage of a version, both ways: what it was made of, and who else learned from the same data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.lineage.graph.impact import impact_of_dataset
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.lineage.graph.picture import picture_of
from airflow_mlops.core.lineage.graph.upstream import path_of
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store
from airflow_mlops.core.wording import line, moment

#: Things of a graph, and other versions, that are listed; the rest is counted.
_MOST = 100


@dataclass(frozen=True)
class Thing:
    """One thing of the graph. :param said: its facts in a line, or why it is gone."""

    kind: str
    label: str
    said: str
    at: str


@dataclass(frozen=True)
class Relative:
    """Another version that learned from the same data."""

    model: str
    version: int
    standing: str


@dataclass(frozen=True)
class Ancestry:
    """What is shown.

    :param things: what the picture shows, in words; ``more`` of them are left out.
    :param unread: how many records could not be read: what they would say is missing.
    """

    picture: str
    things: tuple[Thing, ...]
    more: int
    relatives: tuple[Relative, ...]
    unread: int


def ancestry(
    store: Store, model: str, number: int, visible: Callable[[Iterable[str]], Iterable[str]]
) -> Ancestry:
    """Look it up.

    :param visible: the models among some that the reader may see; others are not named.
    :raises RegistryError: if there is no such version.
    """
    index, now = Index(store), utc_now()
    graph = path_of(index, model, number, now)
    things = [
        Thing(one.kind, line(one.label, 120), line(one.gone or one.said, 300), moment(one.at))
        for one in graph.nodes
        if one.kind != "more"
    ]
    return Ancestry(
        picture=picture_of(graph, alone=False),
        things=tuple(things[:_MOST]),
        more=max(0, len(things) - _MOST),
        relatives=_relatives(index, model, number, now, visible),
        unread=len(graph.unread),
    )


def _relatives(
    index: Index, model: str, number: int, now: datetime, visible: Callable[[Iterable[str]], Iterable[str]]
) -> tuple[Relative, ...]:
    """Versions of models that the reader may see, which learned from the data that this one learned from."""
    own = index.versions(model).get(number)
    if own is None:
        return ()
    try:
        touched = impact_of_dataset(index, f"{own.dataset.name}@{own.dataset.id}", now).versions
    except MlopsError:  # the record of its data is gone, which the graph says
        return ()
    others = [one for one in touched if (one.model, one.version) != (model, number)]
    seen = set(visible(sorted({one.model for one in others})))
    found = [Relative(one.model, one.version, one.standing) for one in others if one.model in seen]
    return tuple(found[-_MOST:])
