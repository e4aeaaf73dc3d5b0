"""Drift: our statistics and our whole look beside Evidently's on the same rows.

Each side runs in a process of its own, after a small run that takes the imports out of the measurement. Times are CPU
seconds, so other work on the machine does not count. Memory is the highest of the process while a side runs, less what
it held before, data included (VmHWM and VmRSS of /proc/self/status; the kernel is asked to forget the peak before).
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from reporting import Measure, report

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.monitoring.columns import Watched
from airflow_mlops.core.monitoring.comparison import compare
from airflow_mlops.core.monitoring.evidently_stats import render_report
from airflow_mlops.core.monitoring.sample import Sample
from airflow_mlops.core.monitoring.statistics import distance, samples_of_frame, samples_of_version
from airflow_mlops.core.monitoring.window import MOST_ROWS, SEED, Reference, Window
from airflow_mlops.core.store import open_store
from airflow_mlops.spec import ModelSpec

NUMBERS, CATEGORIES = 14, 6
GIGABYTE = 1 << 30
NOW = datetime(2024, 1, 1, tzinfo=timezone.utc)

Values = dict[str, float]


@dataclass(frozen=True)
class Side:
    """What one process measured: CPU seconds, growth of its memory in bytes, each column's statistic."""

    seconds: float
    memory: int
    values: Values


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


def watched(names: Iterable[Any]) -> list[Watched]:
    return [
        Watched(name, "number", "number") if name.startswith("n") else Watched(name, "string", "category")
        for name in names
    ]


def _distances(
    reference: Iterator[tuple[Watched, Sample | None]], live: Iterator[tuple[Watched, Sample | None]]
) -> Values:
    found = {}
    for (column, before), (_, after) in zip(reference, live, strict=True):
        if before and after and (one := distance(before, after)):
            found[column.name] = one.value
    return found


class Frames:
    """Both sides as pandas frames in memory."""

    def __init__(self, rows: int) -> None:
        self.reference, self.live = frame(rows, 1), frame(rows, 2, shift=0.05)

    def ours(self) -> Values:
        """Our statistics alone."""
        columns = watched(self.reference)
        return _distances(samples_of_frame(self.reference, columns), samples_of_frame(self.live, columns))

    def evidently(self) -> Values:
        """``DataDriftPreset`` with its defaults, its results as a dict; no page is rendered."""
        return by_preset(self.reference, self.live)

    def evidently_bare(self) -> Values:
        """Evidently's statistical tests called one by one, without its plots and its count of drifted columns."""
        return by_tests(self.reference, self.live)

    def look(self) -> Values:
        """The whole look as the monitor makes it, on a sample: all tests, the classifier, the verdict."""
        sides = [
            one.sample(min(MOST_ROWS, len(one)), random_state=SEED) for one in (self.reference, self.live)
        ]
        before, now = (one.reset_index(drop=True) for one in sides)
        spec, version = _spec(self.reference.columns), _version(self.reference)
        nothing = np.empty(0)
        window = Window(NOW - timedelta(days=1), NOW, 1, len(self.live), now, nothing, {})
        found = compare(spec, watched(before), window, Reference(version, before, nothing))
        return {one.column: one.value for one in found.columns if one.value is not None}

    def page(self) -> Values:
        """Evidently's page for people, on a sample."""
        kinds = {one.name: one.kind for one in watched(self.reference)}
        return {"size": float(len(render_report(self.reference, self.live, kinds) or b""))}


class Files:
    """Both sides as dataset versions of Parquet files in a store on disk."""

    def __init__(self, rows: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        place = Path(self._folder.name)
        os.environ["AIRFLOW_MLOPS_CACHE"] = str(place / "cache")
        self.store = open_store(str(place / "store"))
        self.versions, self.paths = [], []
        for number, made in enumerate((frame(rows, 1), frame(rows, 2, shift=0.05))):
            (place / str(number)).mkdir()
            made["at"] = pd.date_range(NOW, periods=rows, freq="s")
            self.paths.append(place / str(number) / "rows.parquet")
            made.to_parquet(self.paths[-1], index=False)
            taken = snapshot(self.store, FolderRoot(place / str(number)), _spec(made.columns[:-1]))
            self.versions.append(load_version(self.store, taken.name, taken.id))

    def ours(self) -> Values:
        """Our statistics, each version read column by column, its hash checked."""
        columns = watched(one.name for one in self.versions[0].columns if one.name != "at")
        reference, live = (samples_of_version(self.store, one, columns) for one in self.versions)
        return _distances(reference, live)

    def evidently(self) -> Values:
        """The files read by pandas, then ``DataDriftPreset``."""
        return by_preset(*(pd.read_parquet(path).drop(columns="at") for path in self.paths))


def by_preset(reference: pd.DataFrame, live: pd.DataFrame) -> Values:
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    columns = watched(reference)
    definition = DataDefinition(
        numerical_columns=[one.name for one in columns if one.kind == "number"],
        categorical_columns=[one.name for one in columns if one.kind == "category"],
    )
    run = Report([DataDriftPreset()]).run(
        Dataset.from_pandas(live, data_definition=definition),
        Dataset.from_pandas(reference, data_definition=definition),
    )
    metrics = run.dict()["metrics"]
    return {one["config"]["column"]: float(one["value"]) for one in metrics if "column" in one["config"]}


def by_tests(reference: pd.DataFrame, live: pd.DataFrame) -> Values:
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    found = {}
    for one in watched(reference):
        kind = ColumnType.Numerical if one.kind == "number" else ColumnType.Categorical
        sides = [side[one.name].replace([-np.inf, np.inf], np.nan).dropna() for side in (reference, live)]
        result = get_stattest(*sides, kind, None)(*sides, kind, None)
        found[one.name] = float(result.drift_score)
    return found


SIDES = {"frames": Frames, "files": Files}


def run_side(data: str, name: str, rows: int) -> None:
    """In the child process: warm up, measure, print the result as JSON."""
    warnings.simplefilter("ignore")
    getattr(SIDES[data](2000), name)()
    side = getattr(SIDES[data](rows), name)
    before = _forget_peak()
    start = time.process_time()
    values = side()
    seconds = time.process_time() - start
    print(json.dumps({"seconds": seconds, "memory": _status("VmHWM") - before, "values": values}))


def measured(data: str, name: str, rows: int) -> Side:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", data, name, str(rows)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Side(**json.loads(done.stdout.splitlines()[-1]))


def apart(one: Side, other: Side) -> float:
    """The largest difference of a column's statistic; not a number if a column is missing on one side."""
    if one.values.keys() != other.values.keys():
        return float("nan")
    return max(abs(one.values[name] - other.values[name]) for name in other.values)


def measures(quick: bool) -> Iterator[Measure]:
    rows = 50_000 if quick else 1_000_000
    size = f"{rows:,} x {NUMBERS + CATEGORIES}"
    for data in SIDES:
        yield from _beside(data, rows, size)
    if not quick:
        yield from _unlimited(rows, size)


def _beside(data: str, rows: int, size: str) -> Iterator[Measure]:
    evidently, own = measured(data, "evidently", rows), measured(data, "ours", rows)
    yield Measure(
        f"{size} in {data}: faster than Evidently",
        evidently.seconds / own.seconds,
        limit=30,
        better="higher",
        unit="x",
        note=f"{evidently.seconds:.1f} s / {own.seconds:.2f} s",
    )
    yield Measure(
        f"{size} in {data}: memory beyond the data",
        own.memory / GIGABYTE,
        limit=0.5,
        unit="GB",
        note=f"Evidently {evidently.memory / GIGABYTE:.2f} GB",
    )
    yield Measure(f"{size} in {data}: largest difference to Evidently", apart(own, evidently), limit=1e-9)


def _unlimited(rows: int, size: str) -> Iterator[Measure]:
    own = measured("frames", "ours", rows)
    for name, what, note in (
        ("evidently_bare", "Evidently's tests alone, no plots", "as they are called by the preset"),
        ("look", "the whole look, all tests and the classifier", f"on a sample of {MOST_ROWS:,}"),
        ("page", "Evidently's page for people, on a sample", "only when drift was found"),
    ):
        side = measured("frames", name, rows)
        yield Measure(f"{size}: {what}", side.seconds, unit="s", note=f"{note}; ours {own.seconds:.2f} s")


def _spec(columns: Iterable[Any]) -> ModelSpec:
    return ModelSpec(
        name="bench",
        data={"source": "*.parquet", "event_time": "at", "label": "n0"},
        features={"columns": tuple(columns)},
        evaluation={"gates": ({"metric": "auc", "min": 0.6},)},
        rollout={"canary": {"gates": ({"metric": "error_rate", "max": 0.01},)}},
    )


def _version(made: pd.DataFrame) -> DatasetVersion:
    columns = tuple(
        Column(name=one.name, type="double" if one.kind == "number" else "string", nulls=0)
        for one in watched(made)
    )
    return DatasetVersion(
        name="bench",
        id="bench",
        format="parquet",
        files=(),
        rows=len(made),
        columns=columns,
        event_time="at",
        first_event=NOW,
        last_event=NOW,
        created_at=NOW,
    )


def _forget_peak() -> int:
    """Give back what is free, let the peak start anew; the bytes that are held now."""
    pa.default_memory_pool().release_unused()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        run_side(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        raise SystemExit(report("Drift of live traffic: ours beside Evidently", measures, sys.argv[1:]))
