"""Numbers, times and texts as people read them, the same in a log, a terminal, a card and a page.

Importing it costs nothing: the commands of the terminal do so at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from airflow_mlops.core.times import in_utc

#: A text of a record that is longer is cut: cards are for people.
LONGEST = 1500
#: What XML can't hold, what a terminal takes for a command, and what turns the direction of the text around it.
#: Said by what is in it, not by what isn't: that takes a fifth of the time to compile.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_NOTHING = "\N{EM DASH}"


def plain(text: str) -> str:
    """Text on one line; what XML can't hold, or would turn its direction, is shown as a replacement character."""
    return " ".join(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text).split())


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


def counted(number: int, one: str, many: str = "", *, zero: str = "0") -> str:
    """``1 file``, ``1,234 files``.

    :param many: the plural, where it is not ``one`` with an s.
    :param zero: how none is said, e.g. ``no``.
    """
    return f"{f'{number:,}' if number else zero} {one if number == 1 else many or one + 's'}"


def some(names: Sequence[str], most: int, between: str = ", ") -> str:
    """``a, b and 3 more``: the first ``most`` of them."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def size(octets: int) -> str:
    """A number of bytes in its unit: ``1 byte``, ``12.3 kB``, ``1.2 GB``."""
    if octets < 1000:
        return counted(octets, "byte")
    value = octets / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 1000:
            return f"{value:,.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


def moment(at: datetime | None) -> str:
    """``2026-11-22 01:05 UTC``; a dash without a time."""
    return _NOTHING if at is None else f"{minute(at)} UTC"


def minute(at: datetime) -> str:
    """``2026-11-22 01:05``, in UTC, where that is said beside it."""
    return f"{in_utc(at):%Y-%m-%d %H:%M}"


def second(at: datetime | None) -> str:
    """``2026-11-22 01:05:09``, in UTC; a dash without a time."""
    return _NOTHING if at is None else f"{in_utc(at):%Y-%m-%d %H:%M:%S}"


def day(at: datetime) -> str:
    """``2026-11-22``, in UTC."""
    return f"{in_utc(at):%Y-%m-%d}"


def days(first: datetime, last: datetime) -> str:
    """``2026-11-01 to 2026-11-22``."""
    return f"{day(first)} to {day(last)}"


def period(since: datetime, until: datetime) -> str:
    """``2026-11-22 01:00 to 2026-11-22 02:00``, in UTC."""
    return f"{minute(since)} to {minute(until)}"


def span(length: timedelta) -> str:
    """A length of time in its largest two units: ``3 d 4 h``."""
    seconds = max(0, round(length.total_seconds()))
    units = (
        ("d", seconds // 86400),
        ("h", seconds // 3600 % 24),
        ("min", seconds // 60 % 60),
        ("s", seconds % 60),
    )
    told = [f"{count} {unit}" for unit, count in units if count]
    return " ".join(told[:2]) or "0 s"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago something was: ``3 d 4 h ago``; ``never`` without a time."""
    if at is None:
        return "never"
    past = in_utc(now) - in_utc(at)
    return "just now" if past < timedelta(seconds=1) else f"{span(past)} ago"
