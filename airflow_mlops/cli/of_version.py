"""What commands about one version have in common: ``MODEL:VERSION``, the store, and a moment in the past."""

from __future__ import annotations

import argparse
from datetime import datetime, timezone

from airflow_mlops.core.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The store, and the time until which records count."""
    parser.add_argument("--store", required=True, metavar="URI", help="a folder or s3://bucket/prefix")
    parser.add_argument(
        "--as-of", type=moment, metavar="TIME", help="only what was known then: ISO 8601, UTC without a zone"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def moment(text: str) -> datetime:
    """A time, for argparse. :raises argparse.ArgumentTypeError: if it is none."""
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; e.g. 2026-03-01T12:00") from None
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


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
