"""Answers as the tables that the states of gates take."""

from __future__ import annotations

import numpy as np

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import Flags, Floats, Hashes, Indices
from airflow_mlops.core.rollout.scales import scale_of
from airflow_mlops.core.rollout.state import GateState
from airflow_mlops.core.rollout.table import Table


def state(gate: Gate, *, paired: bool = False, share: float = 0.5) -> GateState:
    """Of a binary model's gate that has seen nothing yet."""
    return GateState(gate, scale_of(gate, "binary"), paired=paired, share=share)


def keys(rng: np.random.Generator, size: int) -> Hashes:
    """Hashes of as many callers."""
    return rng.integers(2**64, size=size, dtype=np.uint64)


def takes(key: Hashes, share: float) -> Flags:
    """Whether the challenger answers these keys, as the endpoint's split decides it."""
    return np.asarray(key / 2.0**64 < share, dtype=np.bool_)


def answers(
    rng: np.random.Generator,
    failed: Flags,
    mine: Flags,
    *,
    key: Hashes | None = None,
    latency: Floats | None = None,
) -> Table:
    """Requests of a canary, one per second; each with a key of its own unless they are given."""
    size = len(failed)
    return Table(
        mine=mine,
        failed=failed,
        refused=np.zeros(size, dtype=np.bool_),
        key=keys(rng, size) if key is None else key,
        latency=np.full(size, 5.0) if latency is None else latency,
        elapsed=np.arange(size, dtype=np.float64),
    )


def pairs(
    rng: np.random.Generator, champion_failed: Flags, challenger_failed: Flags, *, key: Hashes | None = None
) -> Table:
    """Requests of a shadow, answered by both."""
    size = len(champion_failed)
    table = answers(rng, challenger_failed, np.ones(size, dtype=np.bool_), key=key)
    theirs = answers(rng, champion_failed, np.zeros(size, dtype=np.bool_), key=table["key"])
    return Table({**table, **theirs.prefixed("champion:")})


def portions(table: Table, parts: int) -> list[Table]:
    """The same, in the same order, in portions of about equal size."""
    return [table.take(part) for part in split(table.rows, parts)]


def split(rows: int, parts: int) -> list[Indices]:
    """Row numbers in portions of about equal size."""
    return [np.asarray(part, dtype=np.int64) for part in np.array_split(np.arange(rows), parts)]
