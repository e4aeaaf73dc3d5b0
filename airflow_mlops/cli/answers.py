"""``airflow-mlops answers``: captured answers and how far their ground truth has come."""

from __future__ import annotations

import argparse
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.moment import moment
from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import writing
from airflow_mlops.core.errors import DataError, PlatformError, SpecError
from airflow_mlops.core.wording import minute, period

if TYPE_CHECKING:
    from airflow_mlops.core.monitoring.answers import AnswersTable, Maturity

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_DAY = timedelta(days=1)
#: Periods that are shown without ``--since``.
_NEWEST = 14


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("answers", help="captured answers and their ground truth")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = commands.add_parser(
        "show",
        help="say how many answers of each period have labels",
        description="How many answered rows each period has in the table of answers, and how many of them have labels. "
        "The monitor DAG takes them in.",
    )
    _add_period(show)
    show.add_argument("--by", default="1d", metavar="DURATION", help="length of a period (%(default)s)")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=run_show)
    export = commands.add_parser(
        "export",
        help="write answers with their labels to a Parquet file",
        description="Write the rows of captured requests, with what was answered and the newest label of each.",
    )
    _add_period(export)
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new .parquet file")
    export.set_defaults(func=run_export)


def _add_period(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="the model's name")
    add_store(parser)
    parser.add_argument("--since", metavar="TIME", help="ISO 8601, UTC without a zone: 2026-03-01")
    parser.add_argument("--until", metavar="TIME", help="not included; without it, after the last answer")
    parser.add_argument("--as-of", metavar="TIME", help="labels of a later time don't count")


def run_show(arguments: argparse.Namespace) -> int:
    """Print a line for each period. :raises MlopsError: if an option is wrong, or there are no answers."""
    table = _table(arguments)
    by = _duration(arguments.by)
    since, until = _period(arguments, table, by)
    found = table.maturity(since, until, as_of=moment("--as-of", arguments.as_of), by=by)
    if arguments.json:
        print(f"[{', '.join(one.model_dump_json() for one in found)}]")
        return 0
    print(
        f"{'period':<33} {'rows':>12} {'labelled':>12} {'share':>7} {'corrected':>10} {'skewed':>8} {'unknown':>8}"
    )
    for one in found:
        print(_line(one))
    last = table.last()
    if last is not None:
        print(f"last take-in, until {minute(last.until)}: {last.said}")
    return 0


def run_export(arguments: argparse.Namespace) -> int:
    """Write the file. :raises MlopsError: if an option is wrong, there are no answers, or it can't be written."""
    import pyarrow.parquet as pq

    from airflow_mlops.core.data.landing import landing

    out: Path = arguments.out
    if out.suffix != ".parquet":
        raise SpecError("--out", given=out, expected="a file that ends in .parquet")
    if out.exists():
        raise PlatformError(f"{out} is there already", remedy="choose another name")
    table = _table(arguments)
    since, until = _period(arguments, table, None)
    batches = table.batches(since, until, as_of=moment("--as-of", arguments.as_of))
    first = next(batches, None)
    if first is None:
        raise DataError("no answers in that time", given=period(since, until))
    rows = first.num_rows
    with (
        writing(out),
        landing(out) as aside,
        pq.ParquetWriter(aside, first.schema, compression="zstd") as writer,
    ):
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    print(f"{out}: {rows:,} rows of {arguments.model}, {period(since, until)} UTC")
    return 0


def _table(arguments: argparse.Namespace) -> AnswersTable:
    from airflow_mlops.core.monitoring.answers import AnswersTable
    from airflow_mlops.core.store import open_store

    return AnswersTable(open_store(arguments.store), arguments.model)


def _period(
    arguments: argparse.Namespace, table: AnswersTable, by: timedelta | None
) -> tuple[datetime, datetime]:
    """The time that is asked for; with ``by``, the newest periods of that length without ``--since``."""
    span = table.span()
    if span is None:
        raise DataError(
            f"no answers of {arguments.model} were taken in yet",
            remedy=f"trigger {arguments.model}.monitor, or AnswersTable.take_in",
        )
    first, newest = span
    last = table.last()
    if last is not None:
        # an answer of a clock that runs years ahead does not move the end
        newest = min(newest, max(last.until, first))
    step = max(by or _DAY, timedelta(seconds=1))
    until = moment("--until", arguments.until) or _rounded_up(newest, min(step, _DAY))
    start = _rounded_up(first, _DAY) - _DAY
    since = moment("--since", arguments.since) or (max(start, until - _NEWEST * step) if by else start)
    return since, until


def _rounded_up(at: datetime, step: timedelta) -> datetime:
    """The next midnight, or multiple of a step that is shorter than a day after the last one, above a time."""
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((at - midnight) // step + 1) * step


def _line(one: Maturity) -> str:
    told = f"{minute(one.since)} to {one.until:%m-%d %H:%M}"
    share = f"{100 * one.labelled // one.rows} %" if one.rows else "-"
    counts = f"{one.rows:>12,} {one.labelled:>12,} {share:>7} {one.corrected:>10,} {one.skewed:>8,} {one.unknown:>8,}"
    return f"{told:<33} {counts}"


def _duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from airflow_mlops.spec import Duration

    try:
        found: timedelta = TypeAdapter(Duration).validate_python(text)
    except ValidationError:
        raise SpecError("--by", given=text, expected="a duration, for example 1h or 1d") from None
    return found
