"""``airflow-mlops evaluation``: what an evaluation found, also of a model that was refused."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_mlops.cli.report_file import add_arguments, write_report

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("evaluation", help="read what an evaluation found")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    report = commands.add_parser(
        "report",
        help="write the report of an evaluation as one HTML file",
        description="Write the report of an evaluation, passed or refused, as one HTML file that needs nothing else.",
    )
    report.add_argument(
        "ref", metavar="REF", help="reference of the evaluation; the task's last log line has it"
    )
    add_arguments(report)
    report.set_defaults(func=run_report)


def run_report(arguments: argparse.Namespace) -> int:
    """Write the report.

    :raises MlopsError: if the store has no such evaluation, or it has no report.
    """
    from airflow_mlops.core.evaluation.report import Evaluation
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.store.results import recall

    store = open_store(arguments.store)
    evaluation = recall(store, arguments.ref, Evaluation)
    return write_report(store, evaluation, f"evaluation {arguments.ref[:12]}", arguments.out)
