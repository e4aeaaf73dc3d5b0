"""What was read of the hour folders of captures and labels, and where the next look begins."""

from __future__ import annotations

import hashlib
import re
import sys
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

#: How much later than its neighbours a file may come and be read at the next look: its records span a minute, and it
#: takes a while to be shipped.
_LATE = timedelta(minutes=3)
#: Every so many looks the last hour is listed, and every so many all there is, for files that were held up longer.
_HOUR_LOOK, _FULL_LOOK = 30, 360
_HOUR = "%Y/%m/%d/%H"
_LISTED = timedelta(hours=1)
#: Names that tell the time of their first record: ours, and SageMaker's (minute-second-millisecond).
_OURS, _SAGEMAKERS = re.compile(r"\d{8}T(\d{2})(\d{2})(\d{2})"), re.compile(r"(\d{2})-(\d{2})-\d{3}-")
#: The day in a key: of its hour folder, or of a time in its name.
_DAY = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/\d{2}/|/(\d{4})(\d{2})(\d{2})T\d{4}")


class Cursor:
    """Remembers which files were read, so that the next look reads, and lists, only what has come since.

    A file is named after the time of its first record and may reach the store later. So each look lists the newest
    minutes, every thirtieth the last hour and every 360th all: a file that was held up for longer is read then.

    Of each file eight bytes are kept: those of a day of five-second files of two variants fit in 300 KB.

    When reading fails in the middle, drop the cursor together with what was made of the records. One that outlives its
    process is kept by its :meth:`marks`.

    :param thorough: every look lists all there is: for few looks, far apart.
    :ivar broken: how many lines could not be read.
    :ivar failures: failed requests that were captured, by variant and minute; see the captures of SageMaker.
    """

    def __init__(self, *, thorough: bool = False) -> None:
        self.broken = 0
        self.failures: Counter[tuple[str, datetime]] = Counter()
        self._thorough = thorough
        self._read: dict[str, array[int]] = {}
        self._newest: dict[str, str] = {}
        self._looks: dict[str, int] = {}

    def start(self, prefix: str) -> str:
        """After which key to list the files below ``prefix`` at this look; empty for all of them."""
        if self._thorough:
            return ""
        looks = self._looks[prefix] = self._looks.get(prefix, -1) + 1
        newest = self._newest.get(prefix)
        if newest is None or looks % _FULL_LOOK == 0:
            return ""
        folder, _, name = newest[len(prefix) :].rpartition("/")
        try:
            hour = datetime.strptime(folder, _HOUR).replace(tzinfo=timezone.utc)
        except ValueError:
            return ""
        known = None if looks % _HOUR_LOOK == 0 else _time_in(name, hour)
        if known is None:
            return f"{prefix}{(hour - _LISTED).strftime(_HOUR)}"
        at, form = known
        return f"{prefix}{(at - _LATE).strftime(f'{_HOUR}/{form}')}"

    def is_new(self, prefix: str, key: str) -> bool:
        """Whether a file was not read before; it counts as read from now on."""
        mark = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
        read = self._read.setdefault(_day_in(key), array("Q"))
        place = bisect_left(read, mark)
        if place < len(read) and read[place] == mark:
            return False
        read.insert(place, mark)
        self._newest[prefix] = max(key, self._newest.get(prefix, ""))
        return True

    def marks(self) -> dict[str, bytes]:
        """What was read: eight bytes (little-endian) a file, by the day in its key; empty where there is none."""
        return {day: _little(read).tobytes() for day, read in self._read.items()}

    def remember(self, marks: Mapping[str, bytes]) -> None:
        """Take what an earlier cursor had read (its :meth:`marks`) as read."""
        for day, data in marks.items():
            read = array("Q")
            read.frombytes(data)
            self._read[day] = _little(read)


def _little(numbers: array[int]) -> array[int]:
    """The same numbers in the machine's order from little-endian, or the other way round."""
    if sys.byteorder == "little":
        return numbers
    turned = array("Q", numbers)
    turned.byteswap()
    return turned


def _day_in(key: str) -> str:
    found = _DAY.search(key)
    return "-".join(part for part in found.groups() if part) if found else ""


def _time_in(name: str, hour: datetime) -> tuple[datetime, str] | None:
    """The time that a name tells, and the form of names of such times; None for other names."""
    ours = _OURS.match(name)
    if ours and int(ours[1]) == hour.hour:
        return _within(hour, ours[2], ours[3]), "%Y%m%dT%H%M%S"
    theirs = _SAGEMAKERS.match(name)
    return (_within(hour, theirs[1], theirs[2]), "%M-%S") if theirs else None


def _within(hour: datetime, minute: str, second: str) -> datetime:
    return hour + timedelta(minutes=int(minute), seconds=int(second))
