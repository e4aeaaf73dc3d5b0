"""``airflow-mlops plan-rollout``: what a rollout will take, before it is started."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.progress import Progress, ignore

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.planned import Effort, Plan, Spread

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_HEADINGS = ("stage", "gate", "a challenger that is", "requests", "its own", "time")


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "plan-rollout",
        help="say how many requests and how long a rollout will take",
        description="Simulate every gate of the rollout on the champion's own captured traffic: how many requests, and "
        "how long, until a challenger that is worse is stopped, and until one that is as good passes. Nothing is "
        "written.",
    )
    parser.add_argument("file", metavar="SPEC", type=Path, help="the spec in YAML")
    add_store(parser)
    parser.add_argument(
        "--window", default="1d", metavar="DURATION", help="captured traffic to plan with (%(default)s)"
    )
    parser.add_argument(
        "--detect",
        action="append",
        default=[],
        metavar="GATE=CHANGE",
        help="how much worse the challenger is that is to be stopped, in the unit of the metric; may be given again",
    )
    parser.add_argument(
        "--differ",
        type=float,
        default=0.1,
        metavar="SHARE",
        help="rows on which a challenger that is as good answers otherwise (%(default)s)",
    )
    parser.add_argument("--runs", type=int, default=200, help="simulated runs of each question (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same plan (%(default)s)")
    parser.add_argument("--json", action="store_true", help="print the plan as JSON")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Plan and print.

    :raises MlopsError: if the spec or an option is wrong, there is no champion, or too little captured traffic.
    """
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.rollout.past_traffic import read_past_traffic
    from airflow_mlops.core.rollout.plan import Assumptions, check, plan
    from airflow_mlops.core.store import open_store
    from airflow_mlops.spec import ModelSpec

    spec = ModelSpec.from_yaml(arguments.file)
    given = Assumptions(_changes(arguments.detect), arguments.differ, arguments.runs, arguments.seed)
    check(spec, given)
    window = _window(arguments.window)
    with _progress() as say:
        traffic = read_past_traffic(open_store(arguments.store), spec, window, utc_now(), say)
        planned = plan(spec, traffic, given, say)
    print(planned.model_dump_json(indent=2) if arguments.json else "\n".join(_report(planned)))
    return 0


def _changes(given: Sequence[str]) -> dict[str, float]:
    changes = {}
    for one in given:
        # the name of a gate on a slice has a "=" of its own
        name, _, number = one.rpartition("=")
        try:
            changes[name] = float(number)
        except ValueError:
            changes[name] = float("nan")
        if not name or changes[name] != changes[name]:
            raise SpecError("--detect", given=one, expected="GATE=CHANGE, for example error_rate=0.02")
    return changes


def _window(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from airflow_mlops.spec import Duration

    try:
        window: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise SpecError(
            "--window", given=text, expected="a duration above 0, for example 12h or 7d"
        ) from None
    return window


@contextmanager
def _progress() -> Iterator[Progress]:
    """A line that is written over, on a terminal; elsewhere nothing."""
    if not sys.stderr.isatty():
        yield ignore
        return

    def say(line: str) -> None:
        print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    try:
        yield say
    finally:
        say("")


def _report(plan: Plan) -> list[str]:
    fits = all(stage.fits(stage.passed) for stage in plan.stages)
    return [
        *_about(plan),
        "",
        *_table([_HEADINGS, *_rows(plan)]),
        "",
        *(f"! {line}" for line in plan.warnings),
        *([""] if plan.warnings else []),
        f"a challenger that is as good as the champion {_whole(plan.seconds)}{'' if fits else '; not all stages fit'}",
    ]


def _whole(seconds: Spread) -> str:
    from airflow_mlops.core.rollout.advice import duration

    if seconds.median is None:
        return "does not pass this rollout"
    most = duration(seconds.most) if seconds.most is not None else "longer than simulated"
    return f"passes the whole rollout in {duration(seconds.median)} (90 %: {most})"


def _about(plan: Plan) -> list[str]:
    from airflow_mlops.core.rollout.advice import duration

    seen = f"{plan.requests:,} answers of version {plan.champion}, {plan.rate:.3g} requests/s"
    lines = [f"{plan.model}: planned with {seen}; median and (90 %) of {plan.runs} runs"]
    if plan.delay is not None:
        middle, most = map(duration, plan.delay)
        lines.append(f"{plan.label_share:.0%} of the rows get a label, after {middle} ({most})")
    return lines


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    for stage in plan.stages:
        name = stage.name
        for gate in stage.gates:
            if gate.gate.on_machine:
                yield name, gate.name, "not planned: about the machine, not requests", "-", "-", "-"
            elif gate.obstacle or gate.stopped is None or gate.passed is None:
                yield name, gate.name, "can't be planned", "-", "-", "-"
            else:
                worse = f"{_number(gate.change)} worse than {_number(gate.level)}: fails"
                yield name, gate.name, worse, *_cells(gate.stopped)
                yield "", "", "as good: passes", *_cells(gate.passed)
            name = ""
        fits = "fits" if stage.fits(stage.passed) else "DOES NOT FIT"
        yield "", "all", f"as good: {fits}", *_cells(stage.passed)


def _cells(effort: Effort) -> tuple[str, str, str]:
    from airflow_mlops.core.rollout.advice import duration

    # a replay has all its requests from the start
    times = "at once" if effort.seconds.most == 0.0 else _spread(effort.seconds, duration)
    return _spread(effort.requests, "{:,.0f}".format), _spread(effort.challenger, "{:,.0f}".format), times


def _spread(spread: Spread, text: Callable[[float], str]) -> str:
    if spread.median is None:
        return "-"
    return f"{text(spread.median)} ({'-' if spread.most is None else text(spread.most)})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: words to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 3 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]
