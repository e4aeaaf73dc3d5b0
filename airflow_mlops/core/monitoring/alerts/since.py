"""Since when something is so, by the earlier looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from airflow_mlops.core.monitoring.look import Look


def since_when(
    champion: int | None,
    earlier: Sequence[Look],
    so: Callable[[Look], bool],
    not_so: Callable[[Look], bool],
    first: datetime,
) -> datetime:
    """Since when something is so of this champion: looks that could not tell do not end it.

    :param earlier: earlier looks, by the end of their periods.
    :param first: when it is so for the first time now.
    """
    for look in reversed(earlier):
        if look.champion != champion or not_so(look):
            break
        if so(look):
            first = min(first, look.since)
    return first
