"""What a chain says of each record: which bytes it may have, and whether it may be gone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from airflow_mlops.core.store.audited import NOT_LOGS
from airflow_mlops.core.store.chain import ChainEntry

_NUMBERED = re.compile(r"(.+)/([0-9]{10})\.json")


@dataclass
class Told:
    """What is told of one record.

    :param written: hash of the bytes that were written last, None before that.
    :param announced: hashes of bytes that may have been written since.
    :param removing: whether somebody was about to remove it.
    """

    written: str | None = None
    announced: set[str] = field(default_factory=set)
    removing: bool = False

    def take(self, entry: ChainEntry) -> None:
        """Go on with the next entry about the record."""
        if entry.event == "announced" and entry.sha256:
            self.announced.add(entry.sha256)
        elif entry.event in ("written", "adopted"):
            self.written, self.removing = entry.sha256, False
            self.announced.clear()
        elif entry.event == "removing":
            self.removing = True
            self.announced.clear()

    def allows(self, sha256: str) -> bool:
        """Whether the record may have bytes with this hash."""
        if self.written and not self.removing:
            return sha256 == self.written
        return sha256 == self.written or sha256 in self.announced

    @property
    def must_exist(self) -> bool:
        """Whether it was written, and nobody was about to remove it."""
        return self.written is not None and not self.removing


def told_of(entries: Iterable[ChainEntry]) -> dict[str, Told]:
    """What the entries say of each record, in the order of their first mention; readings say nothing of one."""
    found: dict[str, Told] = {}
    for entry in entries:
        if entry.event != "read":
            found.setdefault(entry.key, Told()).take(entry)
    return found


def holes(keys: Iterable[str]) -> Iterator[str]:
    """Keys that logs lack below their newest entry: an append only follows an entry that is there.

    :param keys: of records that are there, or were.
    """
    numbers: dict[str, set[int]] = {}
    for key in keys:
        found = _NUMBERED.fullmatch(key)
        if found and found[1].split("/")[-1] not in NOT_LOGS:
            numbers.setdefault(found[1], set()).add(int(found[2]))
    for prefix, there in sorted(numbers.items()):
        yield from (f"{prefix}/{number:010d}.json" for number in range(1, max(there)) if number not in there)
