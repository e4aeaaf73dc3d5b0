"""``airflow-mlops models``: which models a store has, and whose they are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.cli import screen
from airflow_mlops.cli.place import add_store, existing_store
from airflow_mlops.core.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airflow_mlops.core.overview import ModelOverview

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("models", help="list the models: versions, champion, whose they are")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print records as JSON")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each model.

    :raises MlopsError: if there is no such store, or it can't be read.
    """
    from airflow_mlops.core.overview import overviews
    from airflow_mlops.core.record import utc_now

    store = existing_store(arguments.store)
    return screen.show(
        arguments,
        lambda: overviews(store, now=utc_now()),
        lambda seen: _drawn(seen, arguments.store),
        _as_json,
    )


def _as_json(seen: Sequence[ModelOverview]) -> str:
    fields = {"model", "description", "owner", "team", "contact", "versions", "champion"}
    return "[" + ",\n".join(one.model_dump_json(include=fields) for one in seen) + "]"


def _drawn(seen: Sequence[ModelOverview], store: str) -> Sequence[RenderableType]:
    if not seen:
        return [screen.no_models(store)]
    found = screen.table("model", "#versions", "#champion", "owner", "team", "contact", "what it is")
    for one in seen:
        found.add_row(
            screen.words(one.model),
            f"{one.versions:,}",
            "-" if one.champion is None else str(one.champion),
            *(screen.words(text or "-", longest=40) for text in (one.owner, one.team, one.contact)),
            screen.words(one.description or "-", longest=80),
        )
    lost = screen.broken_of(seen)
    end = f"{counted(len(seen), 'model')}; how they stand: airflow-mlops status --store {store}"
    return [found, *lost, screen.words(end, "dim", 300)]
