"""``airflow-mlops datasets``: which dataset versions a store has, and which model versions learned from them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.cli import screen
from airflow_mlops.cli.place import add_store, existing_store
from airflow_mlops.core.wording import counted, days

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airflow_mlops.core.overview.data_uses import DatasetSummary, VersionUse
    from airflow_mlops.core.record import Record

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_NAMED = 4


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
    from airflow_mlops.core.overview.data_uses import data_sets, versions_of

    store = existing_store(arguments.store)
    found: Sequence[Record]
    if arguments.name is None:
        summaries, unread = data_sets(store)
        found, drawn = summaries, _all(summaries, arguments.store)
    else:
        versions, unread = versions_of(store, arguments.name)
        found, drawn = versions, _versions(versions, arguments.store)
    if arguments.json:
        print("[" + ",\n".join(one.model_dump_json() for one in found) + "]")
    else:
        *head, last = drawn
        screen.draw(*head, *screen.broken(unread), last)
    return 0


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
    return [drawn, screen.words(f"{counted(len(found), 'data set')}; {more}", "dim", 300)]


def _versions(found: Sequence[VersionUse], store: str) -> list[RenderableType]:
    drawn = screen.table("version", "taken", "#rows", "#files", "events", "made of", "learned from it")
    for one in found:
        events = "-"
        if one.first_event is not None and one.last_event is not None:
            events = days(one.first_event, one.last_event)
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
