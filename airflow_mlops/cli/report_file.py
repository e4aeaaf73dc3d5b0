"""The report of an evaluation as a file, for the commands that have one."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.wording import size

if TYPE_CHECKING:
    from airflow_mlops.core.evaluation.report import Evaluation
    from airflow_mlops.core.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the report is read from, and where it goes."""
    parser.add_argument("--store", required=True, metavar="URI", help="a folder or s3://bucket/prefix")
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
    write_page(page, out)
    print(f"{out}: report of {what}, {'passed' if evaluation.passed else 'refused'}, {size(len(page))}")
    return 0


def write_page(page: bytes, out: Path) -> None:
    """Write a page. :raises PlatformError: if the file can't be written."""
    try:
        out.write_bytes(page)
    except OSError as error:
        raise PlatformError("report can't be written", given=f"{out}: {error.strerror}") from None
