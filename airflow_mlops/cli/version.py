"""``airflow-mlops version``: what is installed, and what is registered."""

from __future__ import annotations

import argparse
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from airflow_mlops import __version__
from airflow_mlops.cli.report_file import add_arguments, write_report

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser(
        "version", help="print the versions of airflow-mlops and Airflow, or the report of a model version"
    )
    parser.set_defaults(func=run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    report = commands.add_parser(
        "report",
        help="write the evaluation report of a model version as one HTML file",
        description="Write the evaluation report of a registered version as one HTML file that needs nothing else.",
    )
    report.add_argument("model", metavar="MODEL", help="name of the model")
    report.add_argument("number", metavar="N", type=int, help="its version")
    add_arguments(report)
    report.set_defaults(func=run_report)


def run(arguments: argparse.Namespace) -> int:
    """Print one line."""
    try:
        airflow = version("apache-airflow")
    except PackageNotFoundError:
        airflow = "not installed"
    print(f"airflow-mlops {__version__} (Apache Airflow {airflow})")
    return 0


def run_report(arguments: argparse.Namespace) -> int:
    """Write the report.

    :raises MlopsError: if there is no such version, or it has no report.
    """
    from airflow_mlops.core.registry.versions import Registry
    from airflow_mlops.core.store import open_store

    store = open_store(arguments.store)
    record = Registry(store, arguments.model).get(arguments.number)
    return write_report(
        store, record.evaluation, f"{arguments.model} version {arguments.number}", arguments.out
    )
