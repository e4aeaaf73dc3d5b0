"""``airflow-mlops predictions``: what the score DAG has predicted."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import writing
from airflow_mlops.core.errors import SpecError

if TYPE_CHECKING:
    from airflow_mlops.core.scoring.reading import Current
    from airflow_mlops.core.scoring.summary import DaySummary

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("predictions", help="read batch predictions")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    show = commands.add_parser(
        "show",
        help="show the current predictions of a model, day by day, or write them to a file",
        description="The current predictions: each row of the source once, by its newest scoring. Without --out they "
        "are summed up by day.",
    )
    show.add_argument("model", metavar="MODEL", help="the model's name")
    add_store(show)
    show.add_argument(
        "--since", type=_time, metavar="TIME", help="first event time, ISO 8601; UTC without a zone"
    )
    show.add_argument("--until", type=_time, metavar="TIME", help="event time before which rows are shown")
    show.add_argument("--version", type=int, metavar="N", help="only what this version predicted")
    show.add_argument("--out", type=Path, metavar="FILE", help="a .parquet file to write the rows to")
    show.set_defaults(func=run_show)


def run_show(arguments: argparse.Namespace) -> int:
    """Print a line for each day, or write the file.

    :raises MlopsError: if nothing was scored, or the file can't be written.
    """
    from airflow_mlops.core.scoring.reading import current_predictions
    from airflow_mlops.core.scoring.summary import by_day
    from airflow_mlops.core.store import open_store

    out: Path | None = arguments.out
    if out is not None and out.suffix != ".parquet":
        raise SpecError("--out", given=out, expected="a file that ends in .parquet")
    found = current_predictions(
        open_store(arguments.store),
        arguments.model,
        arguments.since,
        arguments.until,
        version=arguments.version,
    )
    if out is not None:
        rows = _write(out, found)
        print(f"{out}: {rows:,} predictions of {arguments.model}")
        return 0
    print(_table(list(by_day(found.batches))))
    return 0


def _write(out: Path, found: Current) -> int:
    """Write the rows; the file appears whole or not at all. :raises PlatformError: if it can't be written."""
    import pyarrow.parquet as pq

    from airflow_mlops.core.data.landing import landing

    rows = 0
    with writing(out), landing(out) as aside, pq.ParquetWriter(aside, found.schema) as writer:
        for _, batch in found.batches:
            writer.write_batch(batch)
            rows += len(batch)
    return rows


def _table(days: list[DaySummary]) -> str:
    lines = [f"{'day':<10}  {'rows':>12}  {'mean':>10}  {'min':>10}  {'max':>10}  predicted by"]
    lines += [
        f"{one.day.isoformat():<10}  {one.rows:>12,}  {one.mean:>10.4g}  {one.least:>10.4g}  {one.most:>10.4g}  "
        + ", ".join(
            f"{variant} ({rows:,})" if len(one.variants) > 1 else variant for variant, rows in one.variants
        )
        for one in days
    ]
    return "\n".join(lines) if days else "no predictions in this time"


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; e.g. 2013-07-01") from None
