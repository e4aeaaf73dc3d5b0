"""What commands about one version have in common: ``MODEL:VERSION``, the store, and a moment in the past."""

from __future__ import annotations

import argparse
from datetime import datetime

from airflow_mlops.cli.moment import moment
from airflow_mlops.core.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store, and the time until which records count."""
    parser.add_argument("--store", required=True, metavar="URI", help="a folder or s3://bucket/prefix")
    parser.add_argument(
        "--as-of", metavar="TIME", help="only what was known then: ISO 8601, UTC without a zone"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def as_of(arguments: argparse.Namespace) -> datetime | None:
    """The moment that is asked about; None for all that is known. :raises SpecError: if it is no time."""
    return moment("--as-of", arguments.as_of)


def split(text: str) -> tuple[str, int | None]:
    """A model, and the version where one is given. :raises SpecError: if it is neither."""
    model, colon, version = text.partition(":")
    if model and not colon:
        return model, None
    if not model or not (version.isdecimal() and version.isascii()):
        raise SpecError(
            "not a version of a model", given=repr(text)[:80], expected="MODEL:VERSION, e.g. churn:3"
        )
    return model, int(version)
