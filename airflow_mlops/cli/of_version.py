"""What commands about one version have in common: ``MODEL:VERSION``, the store, and a moment in the past."""

from __future__ import annotations

import argparse
from datetime import datetime

from airflow_mlops.cli.cited import parse_cited
from airflow_mlops.cli.moment import moment
from airflow_mlops.cli.place import add_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store, and the time until which records count."""
    add_store(parser)
    parser.add_argument(
        "--as-of", metavar="TIME", help="only what was known then: ISO 8601, UTC without a zone"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def as_of(arguments: argparse.Namespace) -> datetime | None:
    """The moment that is asked about; None for all that is known. :raises SpecError: if it is no time."""
    return moment("--as-of", arguments.as_of)


def split(text: str) -> tuple[str, int | None]:
    """A model, and the version where one is given. :raises RegistryError: if it is neither."""
    return (text, None) if text and ":" not in text else parse_cited(text)
