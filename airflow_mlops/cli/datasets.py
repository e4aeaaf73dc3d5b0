"""``airflow-mlops datasets``: which dataset versions a store has, and which model versions learned from them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.cli import screen
from airflow_mlops.cli.data import made_of
from airflow_mlops.cli.place import add_store, existing_store
from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airflow_mlops.core.data.pin import Pin
    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.lineage.graph.index import Index

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_NAMED = 4


class DatasetSummary(Record):
    """A data set. :param used_by: models that learned from any of its versions. :param rows: of the newest version."""

    name: str
    versions: int
    newest: str
    taken: datetime
    rows: int | None
    used_by: tuple[str, ...]


class VersionUse(Record):
    """A dataset version.

    :param rows, files, first_event, last_event: None for one that was pinned and that nobody has read.
    :param used_by: model versions that learned from it, as ``model:number``.
    """

    name: str
    id: str
    taken: datetime
    rows: int | None = None
    files: int | None = None
    first_event: datetime | None = None
    last_event: datetime | None = None
    made_of: str
    used_by: tuple[str, ...]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "datasets",
        help="list the data sets, or the versions of one: rows, times, what they are made of, who learned from them",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="name of a data set; all without it")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print records as JSON")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each data set, or for each version of one.

    :raises MlopsError: if there is no such store or data set, or the store can't be read.
    """
    from airflow_mlops.core.data.catalog import list_versions
    from airflow_mlops.core.lineage.graph.index import Index

    store = existing_store(arguments.store)
    index = Index(store)
    rows: Sequence[Record]
    if arguments.name is None:
        rows = summaries = _summaries(index)
        drawn = _all(summaries, arguments.store)
    else:
        used = _used_by(index)
        rows = versions = [_version(one, used) for one in list_versions(store, arguments.name)]
        drawn = _versions(versions, arguments.store)
    if arguments.json:
        print("[" + ",\n".join(one.model_dump_json() for one in rows) + "]")
    else:
        *head, last = drawn
        screen.draw(*head, *screen.broken(index.unread), last)
    return 0


def _used_by(index: Index) -> dict[tuple[str, str], list[str]]:
    """The model versions that learned from each dataset version."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in index.models:
        for number, version in index.versions(model).numbered():
            found.setdefault(version.dataset.pair, []).append(f"{model}:{number}")
    return found


def _summaries(index: Index) -> list[DatasetSummary]:
    used = _used_by(index)
    by_name: dict[str, list[str]] = {}
    for (name, _), cited in used.items():
        by_name.setdefault(name, []).extend(one.rpartition(":")[0] for one in cited)
    found = []
    for name in sorted({one.name for one in index.datasets.all}):
        versions = [one for one in index.datasets.all if one.name == name]
        newest = max(versions, key=lambda one: (one.created_at, one.id))
        found.append(
            DatasetSummary(
                name=name,
                versions=len(versions),
                newest=newest.id,
                taken=newest.created_at,
                rows=newest.rows,
                used_by=tuple(sorted(set(by_name.get(name, ())))),
            )
        )
    return found


def _version(version: DatasetVersion | Pin, used: Mapping[tuple[str, str], Sequence[str]]) -> VersionUse:
    from airflow_mlops.core.data.version import DatasetVersion

    users = tuple(used.get((version.name, version.id), ()))
    if not isinstance(version, DatasetVersion):
        return VersionUse(
            name=version.name, id=version.id, taken=version.created_at, made_of=version.format, used_by=users
        )
    return VersionUse(
        name=version.name,
        id=version.id,
        taken=version.created_at,
        rows=version.rows,
        files=len(version.files),
        first_event=version.first_event,
        last_event=version.last_event,
        made_of=made_of(version),
        used_by=users,
    )


def _all(found: Sequence[DatasetSummary], store: str) -> list[RenderableType]:
    if not found:
        return [screen.words(f"no data sets in {store} yet: the first snapshot brings one", longest=300)]
    drawn = screen.table("data set", "#versions", "newest", "taken", "#rows", "models that learned from it")
    for one in found:
        drawn.add_row(
            screen.words(one.name),
            f"{one.versions:,}",
            screen.words(one.newest),
            screen.minute(one.taken),
            "not read yet" if one.rows is None else f"{one.rows:,}",
            screen.words(_few(one.used_by)),
        )
    more = f"versions of one: airflow-mlops datasets {found[0].name} --store {store}"
    return [drawn, screen.words(f"{screen.many(len(found), 'data set')}; {more}", "dim", 300)]


def _versions(found: Sequence[VersionUse], store: str) -> list[RenderableType]:
    drawn = screen.table("version", "taken", "#rows", "#files", "events", "made of", "learned from it")
    for one in found:
        events = "-"
        if one.first_event is not None and one.last_event is not None:
            events = f"{one.first_event:%Y-%m-%d} to {one.last_event:%Y-%m-%d}"
        drawn.add_row(
            screen.words(one.id),
            screen.minute(one.taken),
            "not read yet" if one.rows is None else f"{one.rows:,}",
            "-" if one.files is None else f"{one.files:,}",
            events,
            screen.words(one.made_of, longest=60),
            screen.words(_few(one.used_by)),
        )
    newest = found[-1]
    end = f"what is in the newest: airflow-mlops data show {newest.name} {newest.id} --store {store}"
    return [drawn, screen.words(end, "dim", 300)]


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[-_NAMED:]) + more if names else "-"
