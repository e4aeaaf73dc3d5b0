"""``airflow-mlops rollout``: how the rollout of a model goes on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.cli import screen
from airflow_mlops.cli.place import add_store, existing_store, require_model
from airflow_mlops.core.wording import ago

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from airflow_mlops.core.overview.going_on import RolloutGoingOn
    from airflow_mlops.core.overview.records import RolloutNow
    from airflow_mlops.core.rollout.progress import GateNow, StageNow

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Looks that are shown of each gate, and characters of a scale.
_LOOKS, _SCALE = 6, 40


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "rollout",
        help="say how a rollout goes on: the split of the traffic, each gate on its way to its limit, the time left",
        description="Each gate has a line for some of the judge's looks: ━ is where the metric is, valid at all looks "
        "at once, and │ is its limit. A gate is decided when the two no longer overlap.",
    )
    parser.add_argument("model", metavar="MODEL", help="name of a model")
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print the record as JSON, with every look")
    screen.add_watch(parser)
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print how it goes on.

    :raises MlopsError: if there is no such store or model, or the store can't be read.
    """
    from airflow_mlops.core.overview.going_on import rollout_of
    from airflow_mlops.core.record import utc_now

    store = existing_store(arguments.store)
    model = require_model(store, arguments.model)
    return screen.show(
        arguments,
        lambda: rollout_of(store, model, now=utc_now()),
        lambda seen: _drawn(seen, utc_now(), arguments.store),
        lambda seen: seen.model_dump_json(indent=None if arguments.watch else 2),
    )


def _drawn(seen: RolloutGoingOn, now: datetime, store: str) -> list[RenderableType]:
    lost = screen.broken(seen.broken)
    end = screen.words(f"what happened: airflow-mlops story {seen.model} --store {store}", "dim", 300)
    if seen.rollout is None:
        return [screen.words(_none(seen, now), longest=500), *lost, end]
    parts: list[RenderableType] = [
        screen.words(f"{seen.model}: version {seen.rollout.challenger} in {seen.rollout.stage}", "bold"),
        screen.words(_split(seen.rollout), longest=200),
        screen.words(_times(seen, now), longest=200),
    ]
    if not seen.looks:
        parts.append(screen.words("the judge has not looked yet", "yellow"))
    else:
        newest = seen.looks[-1]
        said = f"{newest.decision} with {newest.samples:,} samples, {ago(newest.at, now)}"
        parts += [screen.words(said, "bold", 200), *_gates(seen.looks)]
    return [*parts, *lost, end]


def _none(seen: RolloutGoingOn, now: datetime) -> str:
    release = seen.last_release
    if release is None:
        return f"{seen.model}: no rollout, and none before"
    if release.outcome is None:
        return f"{seen.model}: no rollout; a release began {ago(release.began, now)}"
    version = "" if release.version is None else f" of version {release.version}"
    ended = f"the last release{version} was {release.outcome} {ago(release.ended, now)}"
    return f"{seen.model}: no rollout; {ended}: {release.reason}"


def _split(rollout: RolloutNow) -> str:
    if not rollout.weight:
        copy = f"version {rollout.challenger} gets a copy of the requests"
        return f"version {rollout.champion} answers all requests; {copy}"
    share = 100 * rollout.weight
    filled = max(1, round(rollout.weight * _SCALE))
    bar = "━" * (_SCALE - filled) + "╸" + "─" * filled
    return f"version {rollout.champion} {100 - share:.3g} % {bar} {share:.3g} % version {rollout.challenger}"


def _times(seen: RolloutGoingOn, now: datetime) -> str:
    from airflow_mlops.core.rollout.progress import decision_expected

    rollout = seen.rollout
    if rollout is None:
        return ""
    told = [f"since {screen.minute(rollout.since)} ({screen.since(rollout.since, now)})"]
    if rollout.held:
        told.append("held until somebody resumes or aborts it")
    else:
        told.append(f"decision expected: {decision_expected(seen.looks, now, held=False)}")
    if rollout.until is not None:
        told.append(f"ends at {screen.minute(rollout.until)} at the latest")
    return "; ".join(told)


def _gates(looks: Sequence[StageNow]) -> Iterator[RenderableType]:
    for number, gate in enumerate(looks[-1].gates):
        style = screen.OUTCOMES[gate.outcome]
        yield screen.words("")
        yield screen.words(f"{gate.name}: {gate.outcome}, {_numbers(gate)}", style, 200)
        history = [
            (look, look.gates[number])
            for look in _thinned(looks)
            if number < len(look.gates) and look.gates[number].name == gate.name
        ]
        if any(one.low is not None for _, one in history):
            yield _scales(history)


def _scales(history: Sequence[tuple[StageNow, GateNow]]) -> Table:
    ends = [end for _, one in history for end in (one.low, one.high, one.limit) if end is not None]
    low, high = min(ends), max(ends)
    found = screen.table("at", "#samples", f"{low:.4g} to {high:.4g}")
    for look, one in history:
        found.add_row(screen.minute(look.at), f"{look.samples:,}", _scale(one, low, high))
    return found


def _scale(gate: GateNow, low: float, high: float) -> Text:
    """The interval and the limit on one line."""
    span = (high - low) or 1.0

    def place(value: float) -> int:
        return round((value - low) / span * (_SCALE - 1))

    first = place(gate.low) if gate.low is not None else 0
    last = place(gate.high) if gate.high is not None else _SCALE - 1
    marks = ["━" if first <= number <= last else "·" for number in range(_SCALE)]
    marks[place(gate.limit)] = "│"
    return screen.words("".join(marks), screen.OUTCOMES[gate.outcome])


def _numbers(gate: GateNow) -> str:
    value = "" if gate.value is None else f"{gate.value:.4g}, "
    bounds = [("at least", gate.low), ("at most", gate.high)]
    sure = " and ".join(f"{word} {bound:.4g}" for word, bound in bounds if bound is not None)
    return f"{value}{sure or 'not known yet'}; limit {gate.limit:.4g}"


def _thinned(looks: Sequence[StageNow]) -> Sequence[StageNow]:
    """A few looks, evenly over all, the newest among them."""
    if len(looks) <= _LOOKS:
        return looks
    last = len(looks) - 1
    return [looks[round(number * last / (_LOOKS - 1))] for number in range(_LOOKS)]
