"""Columns of equal length, and joining two such tables by a hash."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from airflow_mlops.core.rollout.betting import Flags, Hashes, Indices


class Table(dict[str, np.ndarray]):
    """Named columns of equal length."""

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(next(iter(self.values()))) if self else 0

    def take(self, chosen: Flags | Indices | slice) -> Table:
        """Some of the rows."""
        return Table({name: column[chosen] for name, column in self.items()})

    def prefixed(self, prefix: str) -> Table:
        """The same with longer names."""
        return Table({prefix + name: column for name, column in self.items()})


def stacked(tables: Sequence[Table]) -> Table:
    """Tables with the same columns, one below the other."""
    there = [table for table in tables if table.rows]
    if len(there) < 2:
        return there[0] if there else tables[0]
    return Table({name: np.concatenate([table[name] for table in there]) for name in there[0]})


class Pairing:
    """Two streams of rows with an ``id`` each; a row waits until its partner comes, in whatever order."""

    def __init__(self) -> None:
        self.left: Table | None = None
        self.right: Table | None = None

    def add(self, left: Table, right: Table) -> tuple[Table, Table]:
        """Add new rows of both streams and return the pairs that are complete now; ids are unique per stream."""
        left = stacked([self.left, left]) if self.left is not None else left
        right = stacked([self.right, right]) if self.right is not None else right
        _, ours, theirs = np.intersect1d(left["id"], right["id"], assume_unique=True, return_indices=True)
        self.left, self.right = _without(left, ours), _without(right, theirs)
        order = np.argsort(np.maximum(left["at"][ours], right["at"][theirs]), kind="stable")
        return left.take(ours[order]), right.take(theirs[order])

    @property
    def waiting(self) -> tuple[int, int]:
        """How many rows of each stream have no partner yet."""
        return (self.left.rows if self.left else 0, self.right.rows if self.right else 0)


class Seen:
    """Hashes that came before."""

    def __init__(self) -> None:
        self._sorted: Hashes = np.empty(0, dtype=np.uint64)

    def fresh(self, hashes: Hashes) -> Flags:
        """Which are there for the first time; they are remembered."""
        values, first = np.unique(hashes, return_index=True)
        new = ~self.holds(values)
        flags = np.zeros(len(hashes), dtype=np.bool_)
        flags[first[new]] = True
        self._sorted = np.union1d(self._sorted, values[new])
        return flags

    def holds(self, hashes: Hashes) -> Flags:
        """Which were there before."""
        if not len(self._sorted):
            return np.zeros(len(hashes), dtype=np.bool_)
        place = np.minimum(np.searchsorted(self._sorted, hashes), len(self._sorted) - 1)
        return np.asarray(self._sorted[place] == hashes, dtype=np.bool_)


def _without(table: Table, places: Indices) -> Table:
    rest = np.ones(table.rows, dtype=np.bool_)
    rest[places] = False
    return table.take(rest)
