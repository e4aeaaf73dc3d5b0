"""The report of an evaluation as a file, for the commands that have one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.cli.place import add_store
from airflow_mlops.cli.writing import write_file
from airflow_mlops.core.wording import size

if TYPE_CHECKING:
    from airflow_mlops.core.evaluation.report import Evaluation
    from airflow_mlops.core.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the report is read from, and where it goes."""
    add_store(parser)
    parser.add_argument(
        "--out", required=True, metavar="FILE", type=Path, help="file to write, e.g. report.html"
    )


def write_report(store: Store, evaluation: Evaluation, what: str, out: Path) -> int:
    """Write the report and say so.

    :param what: names the evaluation.
    :raises RegistryError: if it has no report.
    :raises PlatformError: if the file can't be written.
    """
    from airflow_mlops.core.evaluation.page import read_page

    page = read_page(store, evaluation, what)
    write_file(page, out)
    print(f"{out}: report of {what}, {'passed' if evaluation.passed else 'refused'}, {size(len(page))}")
    return 0
