"""``airflow-mlops reproduce``: a model version built again from its record, and whether it came out the same."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.cited import parse_cited
from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import write_file

if TYPE_CHECKING:
    from airflow_mlops.core.reproduction.record import Reproduction

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

#: Exit code for a version that did not come out the same, or can't be built.
NOT_THE_SAME = 1
_GOOD = ("identical", "equal")
_ROOT_HELP = "data root, for versions that read their files in a bucket: s3://bucket/prefix"


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "reproduce",
        help="build a model version again from its record, and compare",
        description="Check every byte that a version was made of, train it again with its own code, and compare the "
        "result. Exit code 0: the same bytes, or equal within the tolerance; 1: different, or it can't be built.",
    )
    parser.add_argument("version", metavar="MODEL:VERSION", help="e.g. flight_delay:7")
    add_store(parser)
    parser.add_argument("--data", metavar="URI", help=_ROOT_HELP)
    parser.add_argument(
        "--place",
        default="auto",
        choices=("auto", "here", "locked"),
        help="here: in this environment; locked: in one that uv makes from the lock; auto: here if nothing differs",
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        metavar="NUMBER",
        help="up to which metrics and predictions are equal (1e-06)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the record as JSON")
    parser.add_argument(
        "--json", action="store_true", help="print the record as JSON; the steps go to stderr"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Build it again and say what came of it.

    :raises MlopsError: if there is no such version, an option is wrong, or a service that is needed is missing.
    """
    from airflow_mlops.core.data.source import open_data_root
    from airflow_mlops.core.record import utc_now
    from airflow_mlops.core.reproduction.run import TOLERANCE, reproduce
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.store.actor import actor

    model, number = parse_cited(arguments.version)
    record = reproduce(
        open_store(arguments.store),
        model,
        number,
        by=actor().who,
        at=utc_now(),
        root=open_data_root(arguments.data) if arguments.data else None,
        place=arguments.place,
        tolerance=TOLERANCE if arguments.tolerance is None else arguments.tolerance,
        progress=lambda line: print(line, file=sys.stderr if arguments.json else sys.stdout, flush=True),
    )
    if arguments.out:
        write_file(f"{record.model_dump_json(indent=2)}\n".encode(), arguments.out)
    if arguments.json:
        print(record.model_dump_json())
    else:
        for line in told(record):
            print(line)
        print(f"{arguments.version} is {record.outcome}, {record.place}, {record.seconds:.1f} s")
    return 0 if record.outcome in _GOOD else NOT_THE_SAME


def told(record: Reproduction) -> list[str]:
    """What differs, as tables: the environment, and the metrics where the bytes differ."""
    lines = []
    if record.environment:
        lines.append(f"{'package':<24} {'recorded':<16} found")
        lines += [
            f"{one.name:<24} {one.recorded or '-':<16} {one.found or '-'}" for one in record.environment
        ]
    if record.metrics:
        lines.append(f"{'metric':<24} difference")
        lines += [f"{name:<24} {value:.3g}" for name, value in record.metrics.items()]
        lines.append(f"{'a prediction, at most':<24} {record.predictions:.3g}")
    return lines
