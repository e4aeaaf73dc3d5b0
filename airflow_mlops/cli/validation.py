"""``airflow-mlops validation``: what a validation found, also of data that were refused."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_mlops.cli.report_file import add_arguments
from airflow_mlops.cli.writing import write_file
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.wording import size

if TYPE_CHECKING:
    SubParsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: SubParsers) -> None:
    """Add the command to the tree of commands."""
    parser = subparsers.add_parser("validation", help="read what a validation found")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    docs = commands.add_parser(
        "docs",
        help="write the data docs of a validation as one HTML file",
        description="Write the data docs of a validation, passed or refused, as one HTML file that needs nothing else.",
    )
    docs.add_argument(
        "ref", metavar="REF", help="reference of the validation; the task's last log line has it"
    )
    add_arguments(docs)
    docs.set_defaults(func=run_docs)


def run_docs(arguments: argparse.Namespace) -> int:
    """Write the data docs.

    :raises MlopsError: if the store has no such validation, nothing was tested, or the file can't be written.
    """
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.store.blobs import get_bytes
    from airflow_mlops.core.store.results import recall
    from airflow_mlops.core.validation.result import ValidationResult

    store = open_store(arguments.store)
    result = recall(store, arguments.ref, ValidationResult)
    what = f"validation {arguments.ref[:12]}"
    if result.docs is None:
        raise DataError(f"{what} has no data docs", given=result.reason)
    page = get_bytes(store, result.docs)
    write_file(page, arguments.out)
    print(
        f"{arguments.out}: data docs of {what}, {'passed' if result.success else 'refused'}, {size(len(page))}"
    )
    return 0
