"""Tables and colours in a terminal, once or again and again.

Colour never says what words don't, and there is none in a pipe. What comes from data is text: neither markup nor
control characters get through.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from airflow_mlops.core import wording
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.times import in_utc
from airflow_mlops.core.wording import line, span

if TYPE_CHECKING:
    from rich.console import Console, Group, RenderableType
    from rich.table import Table
    from rich.text import Text

    from airflow_mlops.core.overview import ModelOverview

T = TypeVar("T")
#: Seconds between two looks.
_EVERY = 5.0
#: Columns where the output is no terminal.
_WIDE = 160
MOODS: Final = {"bad": "bold red", "warning": "yellow", "unknown": "dim", "good": "green"}
OUTCOMES: Final = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}


def add_watch(parser: argparse.ArgumentParser) -> None:
    """The options of a command that can go on looking."""
    parser.add_argument("--watch", action="store_true", help="look again and again, until Ctrl-C")
    parser.add_argument(
        "--every",
        type=_seconds,
        default=_EVERY,
        metavar="SECONDS",
        help="with --watch: between two looks (5)",
    )


def show(
    arguments: argparse.Namespace,
    look: Callable[[], T],
    drawn: Callable[[T], Sequence[RenderableType]],
    as_json: Callable[[T], str],
) -> int:
    """Look, and print what was seen; with ``--watch`` again and again, through faults of the store that pass.

    :param as_json: JSON on one line, for ``--watch``, or on several.
    """

    def once() -> None:
        seen = look()
        if arguments.json:
            print(as_json(seen), flush=True)
        else:
            draw(*drawn(seen))

    if not getattr(arguments, "watch", False):
        once()
        return 0
    if arguments.json or not sys.stdout.isatty():
        return _repeat(arguments.every, once)
    from rich.live import Live

    seen = look()  # what is wrong from the start is said at once
    with Live(_below(drawn(seen)), console=_console(), auto_refresh=False) as live:

        def again() -> None:
            live.update(_below(drawn(look())), refresh=True)

        return _repeat(arguments.every, again)


def draw(*parts: RenderableType) -> None:
    """Print some parts, one below the other."""
    _console().print(_below(parts))


def words(text: str, style: str = "", longest: int = 100) -> Text:
    """Text as it is, on one line."""
    from rich.text import Text

    return Text(line(text, longest), style=style)


def table(*headings: str) -> Table:
    """An empty table. Headings that begin with ``#`` are of numbers, to the right."""
    from rich import box
    from rich.table import Table

    found = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for heading in headings:
        found.add_column(heading.removeprefix("#"), justify="right" if heading.startswith("#") else "left")
    return found


def mood(overview: ModelOverview) -> Text:
    """The health in words: the worst sign and what it says, and how many others are no better than a warning."""
    worst = overview.signs[0] if overview.signs else None
    if worst is None or overview.mood == "good":
        return words(overview.mood, MOODS[overview.mood])
    others = sum(one.mood in ("bad", "warning") for one in overview.signs[1:])
    more = f" (and {others} more)" if others else ""
    return words(f"{overview.mood}: {worst.name}, {worst.said}{more}", MOODS[overview.mood], 60)


def since(at: datetime | None, now: datetime) -> str:
    """How long it has lasted; a dash where nobody knows."""
    return "-" if at is None else span(in_utc(now) - in_utc(at))


def minute(at: datetime | None) -> str:
    """A time to the minute, in UTC; a dash for none."""
    return "-" if at is None else wording.minute(at)


def broken(lines: Sequence[str]) -> list[Text]:
    """What can't be read, in a line each."""
    return [words(f"can't be read: {one}", "bold red", 300) for one in lines]


def broken_of(seen: Sequence[ModelOverview]) -> list[Text]:
    """What can't be read of some models, in a line each."""
    return broken([f"{one.model}: {text}" for one in seen for text in one.broken])


def no_models(store: str) -> Text:
    """What is said of a store without a model."""
    return words(f"no models in {store} yet: the first release of a spec brings one", longest=300)


def _repeat(every: float, turn: Callable[[], None]) -> int:
    while True:
        try:
            turn()
        except StoreError as error:
            print(f"looks again: {error}", file=sys.stderr)
        time.sleep(every)


def _below(parts: Sequence[RenderableType]) -> Group:
    """One below the other, with a line of room below each table."""
    from rich.console import Group
    from rich.table import Table

    return Group(*(Group(part, "") if isinstance(part, Table) else part for part in parts))


def _console() -> Console:
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDE
    return Console(file=sys.stdout, width=width, markup=False, emoji=False, highlight=False)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.1 <= found <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; e.g. 5")
    return found
