"""Hour folders of captures and labels, as SageMaker lays them out:
``prefix/yyyy/mm/dd/hh/<time>-<unique>.jsonl``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from airflow_mlops.core.serving.cursor import Cursor
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.base import Folders

T = TypeVar("T")
#: Called with a store key and the number of a line (from 1) that can't be read.
OnBroken = Callable[[str, int], None]

#: A file holds records from up to this long after the time in its name.
MAX_SPAN = timedelta(seconds=60)

__all__ = ["Cursor", "children", "file_name", "hour_of", "read_lines", "report_broken"]

_log = logging.getLogger(__name__)


def hour_of(at: datetime) -> str:
    """``yyyy/mm/dd/hh`` in UTC."""
    return at.astimezone(timezone.utc).strftime("%Y/%m/%d/%H")


def file_name(at: datetime, unique: str) -> str:
    """A name that sorts by time."""
    return f"{at.astimezone(timezone.utc).strftime('%Y%m%dT%H%M%S.%fZ')}-{unique}.jsonl"


def report_broken(key: str, line: int) -> None:
    """The default for a broken line: a warning in the log."""
    _log.warning("line %d of %s can't be read and is left out", line, key)


def children(store: Store, prefix: str) -> Iterator[str]:
    """Names right below ``prefix`` (which ends with ``/``), without listing what is below them."""
    if isinstance(store, Folders):
        yield from store.folders(prefix)
        return
    after = ""
    while True:
        item = next(iter(store.list(prefix, start_after=after)), None)
        if item is None:
            return
        name, slash, _ = item.key[len(prefix) :].partition("/")
        if slash:
            yield name
        # "0" sorts right behind "/", so this is behind everything below the child, and before its next
        # neighbour.
        after = f"{prefix}{name}0" if slash else item.key


def read_lines(
    store: Store,
    prefix: str,
    since: datetime,
    decode: Callable[[bytes], T],
    on_broken: OnBroken,
    cursor: Cursor | None = None,
) -> Iterator[T]:
    """What the lines below ``prefix`` hold, oldest file first, from the hour of ``since`` on (and a little
    before).

    A line that can't be read is reported and left out.

    :param cursor: with one, only files that it has not seen are read.
    """
    start = prefix + hour_of(since - MAX_SPAN)
    if cursor is not None:
        start = max(start, cursor.start(prefix))
    for item in store.list(prefix, start_after=start):
        if cursor is not None and not cursor.is_new(prefix, item.key):
            continue
        for number, line in enumerate(store.read(item.key).splitlines(), start=1):
            try:
                yield decode(line)
            except ValueError:
                on_broken(item.key, number)
                if cursor is not None:
                    cursor.broken += 1
