"""``airflow-mlops status``: how the models of a store stand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.cli import screen
from airflow_mlops.cli.place import add_store, existing_store, require_model
from airflow_mlops.core.wording import ago, counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from airflow_mlops.core.overview import LastRelease, ModelOverview, RolloutNow

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "status",
        help="say how the models stand: champion, rollout, health, last release",
        description="All models in a table, or one with every sign of its health.",
    )
    parser.add_argument("model", nargs="?", metavar="MODEL", help="name of a model; all without it")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print records as JSON")
    screen.add_watch(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print how they stand.

    :raises MlopsError: if there is no such store or model, or the store can't be read.
    """
    from airflow_mlops.core.overview import overview_of, overviews
    from airflow_mlops.core.record import utc_now

    store = existing_store(arguments.store)
    indent = None if arguments.watch else 2
    if arguments.model is not None:
        model = require_model(store, arguments.model)
        return screen.show(
            arguments,
            lambda: overview_of(store, model, now=utc_now()),
            lambda seen: _one(seen, utc_now(), arguments.store),
            lambda seen: seen.model_dump_json(indent=indent),
        )
    return screen.show(
        arguments,
        lambda: overviews(store, now=utc_now()),
        lambda seen: _all(seen, utc_now(), arguments.store),
        lambda seen: _as_json(seen, watch=arguments.watch),
    )


def _as_json(seen: Sequence[ModelOverview], *, watch: bool) -> str:
    return "[" + ("," if watch else ",\n").join(one.model_dump_json() for one in seen) + "]"


def _all(seen: Sequence[ModelOverview], now: datetime, store: str) -> Sequence[RenderableType]:
    if not seen:
        return [screen.no_models(store)]
    found = screen.table("model", "champion", "since", "rollout", "health", "last release")
    for one in seen:
        found.add_row(
            screen.words(one.model),
            screen.words(_champion(one), "" if one.champion else "bold red"),
            screen.since(one.champion_since, now),
            screen.words(_rollout(one.rollout)),
            screen.mood(one),
            screen.words(_release(one.last_release, now), longest=50),
        )
    waiting = [
        screen.words(f"{one.model} waits for {one.waits_for}", "bold", 200) for one in seen if one.waits_for
    ]
    lost = screen.broken_of(seen)
    bad = sum(one.mood == "bad" for one in seen)
    more = f"more of one: airflow-mlops status {seen[0].model} --store {store}"
    return [
        found,
        *waiting,
        *lost,
        screen.words(f"{counted(len(seen), 'model')}, {bad:,} bad; {more}", "dim", 300),
    ]


def _one(seen: ModelOverview, now: datetime, store: str) -> Sequence[RenderableType]:
    facts = screen.table("", "")
    facts.show_header = False
    people = ", ".join(text for text in (seen.owner, seen.team, seen.contact) if text)
    rows = (
        ("what it is", seen.description or "nobody has said"),
        ("owner", people or "nobody is named"),
        (
            "champion",
            f"{_champion(seen)} since {screen.minute(seen.champion_since)}, of {counted(seen.versions, 'version')}",
        ),
        ("rollout", _rollout(seen.rollout)),
        ("last release", _release(seen.last_release, now)),
        ("waits for", seen.waits_for or "nobody"),
    )
    for label, text in rows:
        facts.add_row(label, screen.words(text, longest=300))
    signs = screen.table("sign", "health", "what was found", "at")
    for one in seen.signs:
        style = screen.MOODS[one.mood]
        signs.add_row(
            one.name,
            screen.words(one.mood, style),
            screen.words(one.said, longest=200),
            screen.minute(one.at),
        )
    name = screen.words(f"{seen.model}: {seen.mood}", screen.MOODS[seen.mood])
    next_ = "rollout" if seen.rollout else "story"
    end = f"what happened: airflow-mlops {next_} {seen.model} --store {store}"
    return [name, facts, signs, *screen.broken(seen.broken), screen.words(end, "dim", 300)]


def _champion(one: ModelOverview) -> str:
    if one.champion is not None:
        return f"version {one.champion}"
    never = any(sign.name == "fallback" and sign.mood == "unknown" for sign in one.signs)
    return "none" if never else "fallback rule"


def _rollout(rollout: RolloutNow | None) -> str:
    if rollout is None:
        return "none"
    share = f" {100 * rollout.weight:.3g} %" if rollout.weight else ""
    held = ", held" if rollout.held else ""
    return f"version {rollout.challenger} in {rollout.stage}{share}{held}"


def _release(release: LastRelease | None, now: datetime) -> str:
    if release is None:
        return "none"
    version = "" if release.version is None else f"version {release.version} "
    if release.outcome is None:
        return f"{version}goes on for {screen.since(release.began, now)}"
    why = f": {release.reason}" if release.reason and release.outcome == "refused" else ""
    return f"{version}{release.outcome} {ago(release.ended, now)}{why}"
