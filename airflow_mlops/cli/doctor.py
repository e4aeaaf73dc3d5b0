"""``airflow-mlops doctor``: look at everything that a set-up can have wrong."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from airflow_mlops.core.wording import counted

if TYPE_CHECKING:
    from airflow_mlops.core.doctor import Finding

    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]

_PROBLEMS = 1
_COLOURS = {"ok": "32", "warning": "33", "problem": "31"}


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "doctor",
        help="look at everything that a set-up can have wrong",
        description="Look at the connection, the store, the data, the endpoint, AWS, versions, the clock, Airflow and "
        "this machine, and say what to do. It changes nothing; the proof of the store leaves nothing behind. Exit code "
        "0: all is well, or there are warnings; 1: there are problems; 2: a mistake in the command.",
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--conn-id", default="mlops_default", metavar="ID", help="the mlops connection (%(default)s)"
    )
    place.add_argument(
        "--store", metavar="URI", help="look at this store alone, not at a connection and not at Airflow"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one line for each finding; return 1 if there is a problem."""
    from airflow_mlops.cli.checkup import of_connection, of_store

    findings = of_store(arguments.store) if arguments.store else of_connection(arguments.conn_id)
    told = list(_told(findings, as_json=arguments.json))
    problems = sum(one.state == "problem" for one in told)
    if arguments.json:
        print(json.dumps([one.model_dump() for one in told], indent=2))
    else:
        warnings = sum(one.state == "warning" for one in told)
        print(f"{counted(problems, 'problem', zero='no')}, {counted(warnings, 'warning', zero='no')}")
    return _PROBLEMS if problems else 0


def _told(findings: Iterable[Finding], *, as_json: bool) -> Iterator[Finding]:
    """The findings, each printed as soon as it is there."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for one in findings:
        if not as_json:
            state = f"{one.state:<7}"
            shown = f"\x1b[{_COLOURS[one.state]}m{state}\x1b[0m" if colour else state
            print(f"{shown}  {one.check:<11}  {one.said}", flush=True)
        yield one
