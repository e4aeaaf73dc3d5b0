"""Validation: twenty expectations on a Parquet file of twenty columns, beside GX on pandas and a bare DuckDB query.

Each side reads the file and finds the same twenty counts of unexpected values. It runs in a process of its own, after
a small run that takes imports out of the measurement, and its best of three wall times counts. Ours hashes the file
in every run, as a task does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from reporting import Measure, report

NUMBERS, CATEGORIES = 14, 5
LEVELS = ["a", "b", "c", "d"]
BAD = 0.001
REPEATS = 3
#: Rows of the large measure, written as files of this many rows.
LARGE, PART = 50_000_000, 2_000_000
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Side:
    """Wall seconds of the best run, peak growth of memory in bytes, unexpected values per expectation."""

    seconds: float
    memory: int
    counts: list[int]


def write(folder: Path, rows: int, number: int = 0) -> Path:
    """A data root with a file: fourteen numbers, five categories, a time; one value in a thousand is bad.

    :param number: of the file; each one goes on where the last one ended.
    """
    draw = np.random.default_rng(7 + number)
    start = pd.Timestamp("2024-01-01") + pd.Timedelta(seconds=number * rows)
    columns: dict[str, Any] = {"at": pd.date_range(start, periods=rows, freq="s", tz="UTC")}
    for one in range(NUMBERS):
        values = draw.uniform(0, 100, rows)
        values[draw.random(rows) < BAD] = -1.0
        columns[f"n{one}"] = values
    for one in range(CATEGORIES):
        names = np.array(LEVELS, dtype=object)[draw.integers(0, len(LEVELS), rows)]
        names[draw.random(rows) < BAD] = None if one % 2 else "?"
        columns[f"c{one}"] = names
    (folder / "data").mkdir(parents=True, exist_ok=True)
    name = f"rows{number}.parquet" if number else "rows.parquet"
    pd.DataFrame(columns).to_parquet(folder / "data" / name, index=False)
    return folder


def expectations() -> list[dict[str, Any]]:
    """Twenty: fourteen ranges, five sets or nulls, one time."""
    between = "expect_column_values_to_be_between"
    wanted: list[dict[str, Any]] = [
        {"type": between, "column": f"n{i}", "min_value": 0, "max_value": 100} for i in range(NUMBERS)
    ]
    for i in range(CATEGORIES):
        wanted.append(
            {"type": "expect_column_values_to_not_be_null", "column": f"c{i}"}
            if i % 2
            else {"type": "expect_column_values_to_be_in_set", "column": f"c{i}", "value_set": LEVELS}
        )
    return [*wanted, {"type": "expect_column_values_to_not_be_null", "column": "at"}]


def by_us(folder: Path) -> list[int]:
    """The stage as a task runs it, quarantine and stored results included; the snapshot is taken before."""
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.data.snapshot import snapshot
    from airflow_mlops.core.data.source import FolderRoot
    from airflow_mlops.core.store import open_store
    from airflow_mlops.core.validation.run import validate
    from airflow_mlops.spec import ModelSpec

    spec = ModelSpec(
        name="bench",
        data={"source": "*.parquet", "event_time": "at", "label": "n0"},
        validation={"expectations": expectations()},
        features={"columns": ["n1"]},
        evaluation={"gates": [{"metric": "auc", "min": 0.5}]},
        rollout={"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    )
    store, root = open_store(str(folder / "store")), FolderRoot(folder / "data")
    pinned = folder / "pinned"
    if not pinned.exists():
        pinned.write_text(snapshot(store, root, spec).id)
    result = validate(store, root, spec, load_version(store, "bench", pinned.read_text()))
    return [one.unexpected_count or 0 for one in result.expectations]


def by_gx(folder: Path) -> list[int]:
    """Great Expectations on the frame that pandas reads, as its documentation shows it."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    wanted = [
        get_expectation_impl(one["type"])(**{name: value for name, value in one.items() if name != "type"})
        for one in expectations()
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="bench", expectations=wanted))
    asset = context.data_sources.add_pandas("bench").add_dataframe_asset("bench")
    definition = gx.ValidationDefinition(
        name="bench", data=asset.add_batch_definition_whole_dataframe("all"), suite=suite
    )
    frame = pd.read_parquet(folder / "data" / "rows.parquet")
    found = context.validation_definitions.add(definition).run(batch_parameters={"dataframe": frame})
    counts = {
        (one.expectation_config.type, one.expectation_config.kwargs["column"]): one.result["unexpected_count"]
        for one in found.results
    }
    return [counts[one["type"], one["column"]] for one in expectations()]


def by_duckdb(folder: Path) -> list[int]:
    """The same counts by one bare query."""
    import duckdb

    counts = []
    for one in expectations():
        column = f'"{one["column"]}"'
        if "value_set" in one:
            counts.append(f"count(*) FILTER ({column} NOT IN {tuple(one['value_set'])})")
        elif "min_value" in one:
            counts.append(f"count(*) FILTER (NOT {column} BETWEEN {one['min_value']} AND {one['max_value']})")
        else:
            counts.append(f"count(*) FILTER ({column} IS NULL)")
    query = f"SELECT {', '.join(counts)} FROM read_parquet(?)"
    with duckdb.connect() as connection:
        row = connection.execute(query, [str(folder / "data" / "rows.parquet")]).fetchone()
    return list(row or ())


SIDES: dict[str, Callable[[Path], list[int]]] = {"ours": by_us, "gx": by_gx, "duckdb": by_duckdb}


def alone(side: str, folder: Path, small: Path, repeats: int) -> None:
    """Measure one side in this process and print it as JSON."""
    SIDES[side](small)
    before = peak()
    if side == "ours" and repeats > 1:
        by_us(folder)  # takes the snapshot, and fills the cache as the snapshot of an S3 root does
    seconds = []
    counts: list[int] = []
    for _ in range(repeats):
        start = time.perf_counter()
        counts = SIDES[side](folder)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": min(seconds), "memory": peak() - before, "counts": counts}))


def peak() -> int:
    """Peak of this process's memory in bytes. ``ru_maxrss`` would start with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def run(side: str, folder: Path, small: Path, repeats: int = REPEATS) -> Side:
    done = subprocess.run(
        [sys.executable, __file__, "--alone", side, str(folder), str(small), str(repeats)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AIRFLOW_MLOPS_CACHE": str(folder / "cache")},
    )
    return Side(**json.loads(done.stdout.splitlines()[-1]))


def large() -> Iterator[Measure]:
    """The stage on rows that no frame holds."""
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as name:
        folder, small = Path(name) / "large", write(Path(name) / "small", 1000)
        for number in range(LARGE // PART):
            write(folder, PART, number)
        run("ours", folder, small, repeats=1)  # takes the snapshot, in a process of its own
        ours = run("ours", folder, small, repeats=1)
    size = f"{LARGE:,} x 20 rows in {LARGE // PART} files, 20 expectations, once"
    yield Measure("validation stage at scale", ours.seconds, unit="s", note=size)
    yield Measure("memory of the stage at scale", ours.memory / MEGABYTE, unit="MB", limit=2048)


def measure(quick: bool) -> Iterator[Measure]:
    rows = 200_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as name:
        folder, small = write(Path(name) / "full", rows), write(Path(name) / "small", 1000)
        duckdb, gx, ours = (run(side, folder, small) for side in ("duckdb", "gx", "ours"))
    if not ours.counts == gx.counts == duckdb.counts:
        raise SystemExit(f"the sides disagree: ours {ours.counts}, GX {gx.counts}, DuckDB {duckdb.counts}")
    size = f"{rows:,} x 20 rows, 20 expectations, best of {REPEATS}"
    yield Measure("DuckDB, one bare query", duckdb.seconds, unit="s", note=size)
    yield Measure("GX on pandas, reading included", gx.seconds, unit="s")
    yield Measure("validation stage, quarantine included", ours.seconds, unit="s")
    yield Measure("validation stage / one DuckDB query", ours.seconds / duckdb.seconds, limit=2.0)
    yield Measure("GX on pandas / validation stage", gx.seconds / ours.seconds, limit=5.0, better="higher")
    yield Measure(
        "memory of the stage", ours.memory / MEGABYTE, limit=512, unit="MB", note="growth of the peak"
    )
    yield Measure("memory of GX on pandas", gx.memory / MEGABYTE, unit="MB", note="growth of the peak")
    if not quick:
        yield from large()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--alone"]:
        alone(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), int(sys.argv[5]))
    else:
        raise SystemExit(
            report("Validation beside Great Expectations on pandas and DuckDB", measure, sys.argv[1:])
        )
