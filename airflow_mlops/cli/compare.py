"""``airflow-mlops compare``: two model versions side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.cli import screen
from airflow_mlops.cli.cited import parse_cited
from airflow_mlops.cli.place import add_store, existing_store
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from airflow_mlops.core.gates import GateResult
    from airflow_mlops.core.overview.comparison import Comparison, DataChange, Pair

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_MOST = 30


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "compare",
        help="show two model versions side by side: metrics, gates, slices, data, spec, environment",
        description="MODEL:3 MODEL:7, or MODEL v3 v7. Each version was measured on its own held-out rows; 'on the "
        "same rows' is the first one's metric on those of the second, where it was the champion then.",
    )
    parser.add_argument(
        "versions", nargs="+", metavar="VERSION", help="two of MODEL:VERSION, or MODEL and two of vN"
    )
    add_store(parser)
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them side by side.

    :raises MlopsError: if it can't be told what is meant, there is no such version, or the store can't be read.
    """
    from airflow_mlops.core.overview.comparison import compare

    a, b = _two(arguments.versions)
    found = compare(existing_store(arguments.store), a, b)
    if arguments.json:
        print(found.model_dump_json(indent=2))
    else:
        screen.draw(*_drawn(found, arguments.store))
    return 0


def _two(given: Sequence[str]) -> tuple[tuple[str, int], tuple[str, int]]:
    """The two that are meant. :raises RegistryError: if that can't be told."""
    if len(given) == 3 and ":" not in given[0]:
        model, *numbers = given
        given = [f"{model}:{number.removeprefix('v')}" for number in numbers]
    if len(given) != 2:
        raise RegistryError(
            "not two model versions",
            given=" ".join(given)[:200],
            expected="two, e.g. flight_delay:3 flight_delay:7, or flight_delay v3 v7",
        )
    return parse_cited(given[0]), parse_cited(given[1])


def _drawn(found: Comparison, store: str) -> Iterator[RenderableType]:
    a, b = found.a.cited, found.b.cited
    yield screen.words(f"{a} and {b}{': the same bytes' if found.same_artifact else ''}", "bold", 300)
    yield _sides(found)
    yield from _section("metrics", _pairs(found.metrics, a, b, "metric"), found.metrics)
    yield from _section("gates", _gates(found), (*found.gates_a, *found.gates_b))
    if found.slices:
        yield from _section(
            f"{found.slices[0].metric} by slice", _pairs(found.slices, a, b, "slice"), found.slices
        )
    yield screen.words("data", "bold")
    for line in _data(found.data) if found.data else [_no_change(found)]:
        yield screen.words(line, longest=300)
    yield screen.words("")
    yield from _section("spec", _spec(found, a, b), found.spec)
    yield from _section("environment", _environment(found, a, b), found.environment)
    yield from screen.broken(found.broken)
    end = f"row by row: airflow-mlops data diff {found.a.dataset.name} {found.a.dataset.id} {found.b.dataset.id}"
    if found.a.dataset == found.b.dataset or found.a.dataset.name != found.b.dataset.name:
        end = f"where it came from: airflow-mlops lineage {b}"
    yield screen.words(f"{end} --store {store}", "dim", 300)


def _section(name: str, table: Table, rows: Sequence[Any]) -> Iterator[RenderableType]:
    yield screen.words(name, "bold")
    if rows:
        yield table
    else:
        yield screen.words("no difference" if name in ("spec", "environment") else "none")
        yield screen.words("")


def _sides(found: Comparison) -> Table:
    drawn = screen.table("", found.a.cited, found.b.cited)
    sides = (found.a, found.b)
    rows = (
        ("registered", [f"{screen.minute(one.created_at)} by {one.created_by}" for one in sides]),
        ("data", [f"{one.dataset.name}@{one.dataset.id}" for one in sides]),
        ("rows", ["gone" if one.rows is None else f"{one.rows:,}" for one in sides]),
        ("rows trained on", [f"{one.train_rows:,}" for one in sides]),
        ("model file", [one.artifact[:12] for one in sides]),
    )
    for name, cells in rows:
        drawn.add_row(name, *(screen.words(cell) for cell in cells))
    return drawn


def _pairs(pairs: Sequence[Pair], a: str, b: str, first: str) -> Table:
    drawn = screen.table(first, f"#{a}", f"#{b}", f"#{a} on the same rows", "")
    for one in pairs[:_MOST]:
        drawn.add_row(
            screen.words(one.slice or one.metric),
            _number(one.a, one.a_interval),
            _number(one.b, one.b_interval),
            _number(one.a_on_rows_of_b, None),
            screen.words(*_better(one)),
        )
    _more(drawn, len(pairs))
    return drawn


def _better(pair: Pair) -> tuple[str, str]:
    """Who is better, only where both were measured on the same rows."""
    if pair.b is None or pair.a_on_rows_of_b is None or pair.b == pair.a_on_rows_of_b:
        return "", ""
    return (
        ("better", "green")
        if (pair.b > pair.a_on_rows_of_b) == pair.higher_is_better
        else ("worse", "yellow")
    )


def _gates(found: Comparison) -> Table:
    drawn = screen.table("gate", found.a.cited, found.b.cited)
    sides: list[dict[str, GateResult]] = [
        {f"{one.gate.name} {one.gate.limit_text}": one for one in gates}
        for gates in (found.gates_a, found.gates_b)
    ]
    names = list(dict.fromkeys([*sides[1], *sides[0]]))
    for name in names[:_MOST]:
        cells = []
        for side in sides:
            result = side.get(name)
            value = "" if result is None or result.value is None else f" ({result.value:.4g})"
            cells.append(
                screen.words("-")
                if result is None
                else screen.words(f"{result.outcome}{value}", screen.OUTCOMES[result.outcome])
            )
        drawn.add_row(screen.words(name), *cells)
    _more(drawn, len(names))
    return drawn


def _data(change: DataChange) -> Iterator[str]:
    files = f"{counted(change.files_new, 'file')} new, {change.files_gone:,} gone, {change.files_kept:,} kept"
    yield f"{change.rows:+,} rows; {files}"
    for word, ends in (("first", change.since), ("last", change.until)):
        yield f"{word} event: {screen.minute(ends[0])} -> {screen.minute(ends[1])}"
    named = (
        ("added", change.columns_added),
        ("removed", change.columns_removed),
        ("of another type", change.columns_retyped),
    )
    for word, names in named:
        if names:
            yield f"columns {word}: {', '.join(names[:_MOST])}"
    if not any(names for _, names in named):
        yield "columns: the same"


def _no_change(found: Comparison) -> str:
    same = found.a.dataset == found.b.dataset
    return "both learned from the same version" if same else "can't be compared: a manifest can't be read"


def _spec(found: Comparison, a: str, b: str) -> Table:
    drawn = screen.table("field", a, b)
    for one in found.spec[:_MOST]:
        drawn.add_row(
            screen.words(one.place),
            screen.words(_value(one.a), longest=60),
            screen.words(_value(one.b), longest=60),
        )
    _more(drawn, len(found.spec))
    return drawn


def _environment(found: Comparison, a: str, b: str) -> Table:
    drawn = screen.table("package", a, b)
    for one in found.environment[:_MOST]:
        drawn.add_row(*(screen.words(text or "-") for text in (one.name, one.recorded, one.found)))
    _more(drawn, len(found.environment))
    return drawn


def _more(drawn: Table, there: int) -> None:
    if there > _MOST:
        drawn.add_row(f"and {there - _MOST:,} more: --json")


def _number(value: float | None, interval: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if interval is None else f"{value:.4g} ({interval[0]:.4g} to {interval[1]:.4g})"


def _value(value: Any) -> str:
    return (
        "-" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    )
