"""Numbers, times and texts as a card and a story write them."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_mlops.core.card.reading import when
from airflow_mlops.core.drawing.svg import plain

#: A text of a record that is longer is cut: cards are for people.
LONGEST = 1500
_NOTHING = "\N{EM DASH}"


def moment(at: datetime | None) -> str:
    """``2026-11-22 01:05 UTC``; a dash without a time."""
    return _NOTHING if at is None else f"{when(at):%Y-%m-%d %H:%M} UTC"


def day(at: datetime) -> str:
    """``2026-11-22``."""
    return f"{when(at):%Y-%m-%d}"


def span(length: timedelta) -> str:
    """A length of time in its largest two units: ``3 d 4 h``."""
    seconds = max(0, int(length.total_seconds()))
    units = (
        ("d", seconds // 86400),
        ("h", seconds // 3600 % 24),
        ("min", seconds // 60 % 60),
        ("s", seconds % 60),
    )
    told = [f"{count} {unit}" for unit, count in units if count]
    return " ".join(told[:2]) or "0 s"


def line(text: str, longest: int = LONGEST) -> str:
    """One line that can be read, cut where it is too long."""
    words = plain(text)
    return words if len(words) <= longest else f"{words[: longest - 1]}\N{HORIZONTAL ELLIPSIS}"


def short(sha256: str) -> str:
    """The first digits of a hash."""
    return sha256[:12]


def count(number: int | None) -> str:
    """A whole number; a dash for an unknown one."""
    return _NOTHING if number is None else f"{number:,}"


def size(octets: int) -> str:
    """A number of bytes in its unit."""
    value = float(octets)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.0f} {unit}" if unit == "bytes" else f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"
