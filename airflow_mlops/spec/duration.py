"""Durations: a number and a unit, as people write them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_PRINTED = ("d", "h", "m", "s")
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")


def _parse_duration(value: Any) -> Any:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        microseconds = Decimal(match[1]) * (_UNITS[match[2]] // _MICROSECOND)
        try:
            value = timedelta(microseconds=int(microseconds))
        except OverflowError:
            raise ValueError(f"a duration is at most {timedelta.max.days} days") from None
    if isinstance(value, timedelta) and value > timedelta(0):
        return value
    raise ValueError("a duration is a number above 0 with a unit of s, m, h, d or w, for example 90s or 30d")


def print_duration(value: timedelta) -> str:
    """The duration to the microsecond, so that reading it gives the same again."""
    for unit in _PRINTED:
        if value % _UNITS[unit] == timedelta(0):
            return f"{value // _UNITS[unit]}{unit}"
    seconds, rest = divmod(value // _MICROSECOND, 10**6)
    return f"{seconds}.{rest:06d}".rstrip("0") + "s"


#: ``90s``, ``10m``, ``6h``, ``30d`` or ``2w``; always above 0.
Duration = Annotated[timedelta, BeforeValidator(_parse_duration), PlainSerializer(print_duration)]
