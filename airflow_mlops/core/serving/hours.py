"""Hour folders of captures and labels, as SageMaker lays them out:
``prefix/yyyy/mm/dd/hh/<time>-<unique>.jsonl``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from airflow_mlops.core.store import Store

T = TypeVar("T")
#: Called with a store key and the number of a line (from 1) that can't be read.
OnBroken = Callable[[str, int], None]

#: A file holds records from up to this long after the time in its name.
MAX_SPAN = timedelta(seconds=60)
#: How much later than others a file may come to be read at the next look, and how often all files are listed.
_LATE, _FULL_LOOK = timedelta(hours=1), 50

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


class Cursor:
    """Remembers which files were read, so that the next look reads only what has come since.

    A file is named after the time of its first record and may reach the store later. So each look lists the folders of
    the last hour, and every fiftieth look all of them: a file that was held up for longer is read then.

    When reading fails in the middle, drop the cursor together with what was made of the records.
    """

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._newest: dict[str, str] = {}
        self._looks: dict[str, int] = {}

    def start(self, prefix: str, since: datetime) -> datetime:
        """From which hour on to list the files below ``prefix``."""
        looks = self._looks[prefix] = self._looks.get(prefix, -1) + 1
        newest = self._newest.get(prefix)
        if newest is None or looks % _FULL_LOOK == 0:
            return since
        with suppress(ValueError):
            hour = datetime.strptime(newest[len(prefix) :][:13], "%Y/%m/%d/%H").replace(tzinfo=timezone.utc)
            return max(since, hour - _LATE)
        return since

    def is_new(self, prefix: str, key: str) -> bool:
        """Whether a file was not read before; it counts as read from now on."""
        if key in self._read:
            return False
        self._read.add(key)
        self._newest[prefix] = max(key, self._newest.get(prefix, ""))
        return True


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
    start = since if cursor is None else cursor.start(prefix, since)
    for item in store.list(prefix, start_after=prefix + hour_of(start - MAX_SPAN)):
        if cursor is not None and not cursor.is_new(prefix, item.key):
            continue
        for number, line in enumerate(store.read(item.key).splitlines(), start=1):
            try:
                yield decode(line)
            except ValueError:
                on_broken(item.key, number)
