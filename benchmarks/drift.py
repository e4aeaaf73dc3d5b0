"""Drift: our comparison beside Evidently's on the same rows.

Each side runs in a process of its own, after a small run that takes the imports out of the measurement. Times
are CPU seconds: both sides compute on one thread, and other work on the machine does not count.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
from reporting import Measure, report

from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.monitoring.comparison import compare, watched_columns
from airflow_mlops.core.monitoring.evidently_stats import measure as by_evidently
from airflow_mlops.core.monitoring.window import MOST_ROWS, SEED, Reference, Window
from airflow_mlops.core.store import open_store
from airflow_mlops.spec import ModelSpec

NUMBERS, CATEGORIES = 14, 6
GIGABYTE = 1 << 30


@dataclass(frozen=True)
class Side:
    """What one process measured: CPU seconds, growth of its memory in bytes, each column's statistic."""

    seconds: float
    memory: int
    values: dict[str, float]


def frame(rows: int, seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Twenty columns like a tabular model's: fourteen numbers of several shapes, six categories."""
    draw = np.random.default_rng(seed)
    shapes: list[Callable[[], Any]] = [
        lambda: draw.normal(shift, 1, rows),
        lambda: draw.gamma(2.0, 1.0 + shift, rows),
        lambda: draw.integers(0, 60, rows).astype(float),
    ]
    columns: dict[str, Any] = {f"n{i}": shapes[i % len(shapes)]() for i in range(NUMBERS)}
    for i in range(CATEGORIES):
        names = np.array([f"v{n}" for n in range(3 + 5 * i)], dtype=object)
        columns[f"c{i}"] = names[draw.integers(0, len(names), rows)]
    return pd.DataFrame(columns)


def ours(reference: pd.DataFrame, live: pd.DataFrame) -> dict[str, float]:
    """The comparison as the monitor stage makes it, reports kept in a store."""
    now = datetime(2024, 1, 1, tzinfo=timezone.utc)
    version = DatasetVersion(
        name="bench",
        id="bench",
        format="parquet",
        files=(),
        rows=len(reference),
        columns=tuple(
            Column(name=name, type="double" if name.startswith("n") else "string", nulls=0)
            for name in reference.columns
        ),
        event_time="at",
        first_event=now,
        last_event=now,
        created_at=now,
    )
    spec = ModelSpec(
        name="bench",
        data={"source": "bench/*.parquet", "event_time": "at", "label": "y"},
        features={"columns": tuple(reference.columns)},
        evaluation={"gates": ({"metric": "auc", "min": 0.6},)},
        rollout={"canary": {"gates": ({"metric": "error_rate", "max": 0.01},)}},
    )
    window = Window(now - timedelta(days=1), now, 1, len(live), live, {})
    with tempfile.TemporaryDirectory() as folder:
        found = compare(
            open_store(folder), spec, watched_columns(spec, version), window, Reference(version, reference)
        )
    return {one.column: float(one.value or 0.0) for one in found.columns}


def ours_sampled(reference: pd.DataFrame, live: pd.DataFrame) -> dict[str, float]:
    """The same behind the bound on rows that the monitor stage has."""
    most = min(MOST_ROWS, len(reference))
    return ours(reference.sample(most, random_state=SEED), live.sample(most, random_state=SEED))


def theirs(reference: pd.DataFrame, live: pd.DataFrame) -> dict[str, float]:
    """Evidently alone, with its report for people."""
    kinds = {name: "number" if name.startswith("n") else "category" for name in reference.columns}
    return {one.column: one.value for one in by_evidently(reference, live, kinds).statistics}


SIDES = {"ours": ours, "ours_sampled": ours_sampled, "theirs": theirs}


def run_side(name: str, rows: int) -> None:
    """In the child process: warm up, measure, print the result as JSON."""
    side = SIDES[name]
    side(frame(2000, 1), frame(2000, 2))
    reference, live = frame(rows, 1), frame(rows, 2, shift=0.05)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.process_time()
    values = side(reference, live)
    seconds = time.process_time() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "memory": after - before, "values": values}))


def measured(name: str, rows: int) -> Side:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", name, str(rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Side(**json.loads(done.stdout.splitlines()[-1]))


def apart(one: Side, other: Side) -> float:
    """The largest difference of a column's statistic."""
    return max(abs(one.values[name] - other.values[name]) for name in other.values)


def measures(quick: bool) -> Iterator[Measure]:
    rows = 50_000 if quick else 1_000_000
    evidently, own = measured("theirs", rows), measured("ours", rows)
    size = f"{rows:,} x {NUMBERS + CATEGORIES}"
    yield Measure(
        f"all rows, {size}: faster than Evidently",
        evidently.seconds / own.seconds,
        limit=30,
        better="higher",
        unit="x",
        note=f"{evidently.seconds:.1f} s / {own.seconds:.1f} s",
    )
    yield Measure(
        f"all rows, {size}: memory beyond the data",
        own.memory / GIGABYTE,
        limit=0.5,
        unit="GB",
        note=f"Evidently alone {evidently.memory / GIGABYTE:.2f} GB",
    )
    yield Measure(f"all rows, {size}: largest difference to Evidently", apart(own, evidently), limit=1e-9)
    if quick:
        return
    sampled = measured("ours_sampled", rows)
    yield Measure(
        f"sample of {MOST_ROWS:,}, as the monitor looks: faster than Evidently on all",
        evidently.seconds / sampled.seconds,
        better="higher",
        unit="x",
        note=f"{sampled.seconds:.1f} s; not the same statistics, so not the number to hold",
    )
    yield Measure(f"sample of {MOST_ROWS:,}: largest difference to all rows", apart(sampled, evidently))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        run_side(sys.argv[2], int(sys.argv[3]))
    else:
        raise SystemExit(report("Drift of live traffic: ours beside Evidently", measures, sys.argv[1:]))
