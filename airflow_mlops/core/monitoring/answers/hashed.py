"""Ids as hashes of 64 bits: what tells new from known without reading the files again.

Among ten million ids of a day, the chance that two have one hash at all is 3 in a million.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Hashes: TypeAlias = npt.NDArray[np.uint64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
#: Hashes of days that are held in memory at once: 64 MB.
_MOST_HELD = 8_000_000


def hashes_of(names: Iterable[str]) -> Hashes:
    """A hash of each name, the same on every machine."""
    digests = b"".join([blake2b(name.encode("utf-8", "replace"), digest_size=8).digest() for name in names])
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def mixed(hashes: Hashes, *numbers: npt.NDArray[np.int64]) -> Hashes:
    """A hash of each hash together with some numbers (the finalizer of splitmix64 over each of them)."""
    result = hashes
    for one in numbers:
        result = (result ^ one.view(np.uint64)) + _GOLDEN
        result = (result ^ (result >> np.uint64(30))) * _MIX[0]
        result = (result ^ (result >> np.uint64(27))) * _MIX[1]
        result ^= result >> np.uint64(31)
    return result


def places_in(ordered: Hashes, hashes: Hashes) -> tuple[Flags, Places]:
    """Which hashes are among the ``ordered`` ones, and where each of them begins there."""
    if not len(ordered):
        return np.zeros(len(hashes), dtype=np.bool_), np.zeros(len(hashes), dtype=np.int64)
    places = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    return np.asarray(ordered[places] == hashes, dtype=np.bool_), places.astype(np.int64)


class Known:
    """Hashes that came before: sorted runs, each at least twice as long as the next, so that adding one is cheap."""

    def __init__(self, hashes: Hashes | None = None) -> None:
        self._runs: list[Hashes] = [np.unique(hashes)] if hashes is not None and len(hashes) else []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def fresh(self, hashes: Hashes) -> Flags:
        """Which are there for the first time; they are remembered."""
        values, first = np.unique(hashes, return_index=True)
        new = ~self.holds(values)
        flags = np.zeros(len(hashes), dtype=np.bool_)
        flags[first[new]] = True
        self._add(values[new])
        return flags

    def holds(self, hashes: Hashes) -> Flags:
        """Which were there before."""
        found = np.zeros(len(hashes), dtype=np.bool_)
        for run in self._runs:
            found |= places_in(run, hashes)[0]
        return found

    def all(self) -> Hashes:
        """All of them, in no order."""
        return np.concatenate(self._runs) if self._runs else np.empty(0, dtype=np.uint64)

    def _add(self, run: Hashes) -> None:
        if len(run):
            self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last, before = self._runs.pop(), self._runs.pop()
            self._runs.append(np.sort(np.concatenate([before, last]), kind="stable"))


class KnownByDay:
    """What is known of each day, in bounded memory: days that were not asked for lately wait on the disk.

    :param load: the hashes of a day that the table has already.
    :param scratch: folder for what does not fit.
    """

    def __init__(self, load: Callable[[str], Hashes], scratch: Path) -> None:
        self._load = load
        self._scratch = scratch
        self._held: OrderedDict[str, Known] = OrderedDict()

    def of(self, day: str) -> Known:
        """What is known of a day."""
        known = self._held.pop(day, None)
        if known is None:
            file = self._file(day)
            known = Known(np.load(file, allow_pickle=False) if file.exists() else self._load(day))
        self._held[day] = known
        while len(self._held) > 1 and sum(map(len, self._held.values())) > _MOST_HELD:
            old, hashes = self._held.popitem(last=False)
            np.save(self._file(old), hashes.all(), allow_pickle=False)
        return known

    def _file(self, day: str) -> Path:
        return self._scratch / f"known-{day}.npy"
