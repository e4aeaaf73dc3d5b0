"""Moments on the command line."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.times import in_utc


def moment(option: str, text: str | None) -> datetime | None:
    """The time that was given for an option, in UTC without a zone; None where it was not given.

    :raises SpecError: naming the option, if the text is no time in ISO 8601.
    """
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text.removesuffix("Z"))
    except ValueError:
        raise SpecError(option, given=text, expected="a time in ISO 8601, e.g. 2026-03-01T12:00") from None
    return in_utc(at)
