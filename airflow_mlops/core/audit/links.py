"""One chain, read from its first entry to its last: does each follow the one before it?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from pydantic import ValidationError

from airflow_mlops.core.audit.report import Finding, FindingKind
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.errors import KeyMissing, SpecError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.chain import NOTHING, ChainEntry, Head, entry_key, number_of

_TELL_EVERY = 5_000
#: Entries that may be new.
_NEW = 100


@dataclass(frozen=True)
class Link:
    """One entry as it lies in the store; ``entry`` is None where its bytes are none."""

    number: int
    sha256: str
    entry: ChainEntry | None


@dataclass(frozen=True)
class Chain:
    """All entries of a chain in the order of their numbers, and the keys below it that are no place of an entry."""

    name: str
    links: tuple[Link, ...]
    strays: tuple[str, ...]

    @property
    def head(self) -> Head:
        """The newest entry."""
        return Head(self.links[-1].number, self.links[-1].sha256) if self.links else Head(0, NOTHING)

    def entries(self) -> Iterator[tuple[Link, ChainEntry]]:
        """The entries that can be read."""
        for link in self.links:
            if link.entry is not None:
                yield link, link.entry


def read_chain(store: Store, chain: str, progress: Progress = ignore) -> Chain:
    """Read all of a chain."""
    keys = [item.key for item in store.list(f"{chain}/")]
    listed = {number for key in keys if (number := number_of(chain, key)) is not None}
    # A folder that grows while it is listed may show a later entry and not an earlier one.
    doubtful = [
        number for number in range(max(listed, default=0) - _NEW, max(listed, default=0)) if number > 0
    ]
    numbers = [
        *listed,
        *(one for one in doubtful if one not in listed and store.exists(entry_key(chain, one))),
    ]
    strays = tuple(key for key in keys if number_of(chain, key) is None)
    links = []
    with closing(in_order(lambda number: _link(store, chain, number), sorted(numbers))) as found:
        for link in found:
            links.append(link)
            if len(links) % _TELL_EVERY == 0:
                progress(f"{chain}: {len(links):,} of {len(numbers):,} entries")
    return Chain(chain, tuple(links), strays)


def breaks(chain: Chain) -> Iterator[Finding]:
    """Where a chain is broken: entries that are missing, were edited, or stand in another's place."""
    by_hash = {link.sha256: link.number for link in chain.links}
    follows = {link.number: link.entry.previous for link in chain.links if link.entry}
    hashes = {link.number: link.sha256 for link in chain.links}
    told: set[int] = set()
    last = Head(0, NOTHING)
    for link in chain.links:
        gap = link.number - last.number - 1
        if gap:
            yield _finding(chain, "missing entry", last.number + 1, _gone(last.number + 1, link.number - 1))
        broken = _broken(link, last, bool(gap), by_hash, follows, hashes)
        if broken and broken[1] not in told:
            told.add(broken[1])
            yield _finding(chain, *broken)
        last = Head(link.number, link.sha256)
    for key in chain.strays:
        yield Finding(kind="stray entry", place=key, said=f"{key} is no entry of {chain.name}")


def unlike(chain: Chain, expect: str) -> Iterator[Finding]:
    """What is left of a head that was noted elsewhere.

    :param expect: that head, as ``number:hash``.
    :raises SpecError: if it is none.
    """
    noted = parse_head(expect)
    if noted.number > chain.head.number:
        said = f"{_gone(chain.head.number + 1, noted.number)}: {noted.number} was noted as the newest"
        yield _finding(chain, "missing entry", noted.number, said)
        return
    found = next((link.sha256 for link in chain.links if link.number == noted.number), NOTHING)
    if noted.number and found != noted.sha256:
        said = f"entry {noted.number} is not the one that was noted ({noted.sha256[:12]}): {found[:12]}"
        yield _finding(chain, "edited entry", noted.number, said)


def parse_head(text: str) -> Head:
    """A head from ``number:hash``. :raises SpecError: for anything else."""
    number, colon, sha256 = text.strip().partition(":")
    right = colon and number.isascii() and number.isdigit() and len(number) <= 10
    if not right or len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise SpecError(
            "not the head of an audit log",
            given=repr(text[:100]),
            expected="number:hash with 64 lower-case hex digits, as audit head prints it",
        )
    return Head(int(number), sha256)


def _link(store: Store, chain: str, number: int) -> Link:
    try:
        data = store.read(entry_key(chain, number))
    except KeyMissing:  # removed since the listing
        return Link(number, NOTHING, None)
    try:
        entry = ChainEntry.from_bytes(data)
    except ValidationError:
        entry = None
    return Link(number, hashlib.sha256(data).hexdigest(), entry)


def _broken(
    link: Link,
    last: Head,
    gap: bool,
    by_hash: Mapping[str, int],
    follows: Mapping[int, str],
    hashes: Mapping[int, str],
) -> tuple[FindingKind, int, str] | None:
    """What is wrong between an entry and the one before it: kind, number of the entry to blame, in words."""
    number = link.number
    if link.entry is None:
        return "edited entry", number, f"entry {number} was edited: it is no entry any more"
    previous = link.entry.previous
    if previous == last.sha256:
        return None
    if previous in by_hash or (previous == NOTHING and number > 1):
        place = by_hash.get(previous, 0)
        return (
            "moved entry",
            number,
            f"entry {number} stands in another's place: it was written after entry {place}",
        )
    if gap:
        return None  # what it follows is among the missing ones
    return "edited entry", *_edited(link, last, follows, hashes)


def _edited(link: Link, last: Head, follows: Mapping[int, str], hashes: Mapping[int, str]) -> tuple[int, str]:
    """Which one of two entries was edited: the next one after them knows the second one as it was."""
    number = link.number
    if follows.get(number + 1) == hashes[number] and last.number:
        return last.number, f"entry {last.number} was edited: entry {number} follows other bytes"
    if number + 1 in follows or not last.number:
        return number, f"entry {number} was edited: it does not follow entry {last.number}"
    return (
        last.number,
        f"entry {last.number} or {number} was edited: the second one does not follow the first",
    )


def _gone(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _finding(chain: Chain, kind: FindingKind, number: int, said: str) -> Finding:
    return Finding(kind=kind, place=entry_key(chain.name, number), said=f"{chain.name}: {said}")
