"""Spans of time in words."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


def in_words(span: timedelta) -> str:
    """A span to about two digits, e.g. ``3 d``, ``1.5 h`` or ``20 s``."""
    for name, unit in _UNITS:
        if span >= unit:
            return f"{round(span / unit, 1):g} {name}"
    return f"{max(0, round(span.total_seconds()))} s"
