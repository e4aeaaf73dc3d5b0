"""Snapshot: pinning the objects of a versioned bucket, beside a bare listing of it; and a folder, beside hashing it.

The bucket is on the ministack emulator on loopback, so a request costs about a millisecond. Its objects are a few
bytes: a pin reads none of them.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from reporting import Measure, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.snapshot import pin, snapshot
from airflow_mlops.core.data.source import DataRoot, FolderRoot, open_data_root
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.blobs import hash_file
from airflow_mlops.spec import ModelSpec
from tests.servers import ministack

REPEATS = 3


def spec() -> ModelSpec:
    return ModelSpec(
        name="bench",
        data={"source": "rows/*.parquet", "event_time": "at", "label": "y"},
        features={"columns": ["n0"]},
        evaluation={"gates": [{"metric": "auc", "min": 0.5}]},
        rollout={"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    )


def write(folder: Path, files: int, rows: int) -> Path:
    """A data root of equal files with ten numbers, a label and a time."""
    draw = np.random.default_rng(3)
    (folder / "rows").mkdir(parents=True)
    for number in range(files):
        frame = pd.DataFrame(draw.normal(size=(rows, 10)), columns=[f"n{i}" for i in range(10)])
        frame["y"] = draw.integers(0, 2, rows)
        frame["at"] = datetime(2024, 1, 1, tzinfo=timezone.utc) + pd.to_timedelta(
            draw.integers(0, 10**6, rows), "s"
        )
        frame.to_parquet(folder / "rows" / f"{number:05d}.parquet", index=False)
    return folder


def best(work: Callable[[], Any]) -> float:
    """Wall seconds of the best of some runs."""
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def stored_bytes(store: Store) -> int:
    return sum(item.size for item in store.list("blobs/"))


def first_times(root: DataRoot, folder: Path) -> tuple[float, Store]:
    """Wall seconds of the best snapshot into an empty store, and the last such store."""
    stores = iter([open_store(str(folder / f"store{number}")) for number in range(REPEATS)])
    used: list[Store] = []

    def work() -> None:
        used.append(next(stores))
        snapshot(used[-1], root, spec())

    return best(work), used[-1]


def fill(endpoint: str, bucket: str, objects: int) -> None:
    """Write many tiny objects below ``data/rows/``, without boto3: the emulator checks no signature."""
    server = HTTPConnection(urlsplit(endpoint).netloc)
    for number in range(objects):
        server.request("PUT", f"/{bucket}/data/rows/{number:07d}.parquet", b"tiny")
        answer = server.getresponse()
        answer.read()
        if answer.status != 200:
            raise SystemExit(f"the emulator answers {answer.status} {answer.reason}")


def in_turns(turns: int, *works: Callable[[], Any]) -> list[float]:
    """Wall seconds of the best run of each, run in turns so that a slow moment of the machine hits all."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(turns):
        for times, work in zip(seconds, works, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return [min(times) for times in seconds]


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def on_bucket(folder: Path, objects: int, turns: int) -> Iterator[Measure]:
    with ministack() as server:
        client, bucket = server.client(), server.make_bucket(versioned=True)
        fill(server.endpoint, bucket, objects)
        root = open_data_root(f"s3://{bucket}/data", client)
        stores = iter([open_store(str(folder / f"store{number}")) for number in range(turns + 1)])
        pinned: list[tuple[Store, Any]] = []

        def listing() -> None:
            pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix="data/rows/")
            if sum(len(page["Versions"]) for page in pages) != objects:
                raise SystemExit("the bare listing is not whole")

        def ours() -> None:
            store = next(stores)
            pinned.append((store, pin(store, root, spec())))

        listing()
        before = peak()
        ours()
        bare, seconds = in_turns(turns, listing, ours)
        grown, (store, taken) = peak() - before, pinned[-1]
    manifest = store.read(pin_key(taken.name, taken.id))
    start = time.perf_counter()
    Pin.from_bytes(manifest)
    reading = time.perf_counter() - start
    note = f"{objects:,} objects; {seconds:.2f} s / {bare:.2f} s"
    yield Measure("snapshot of a versioned bucket / a bare listing", seconds / bare, limit=1.3, note=note)
    yield Measure("bytes copied from a versioned bucket", stored_bytes(store) / 1e6, limit=0, unit="MB")
    note = f"{len(manifest) / objects:.0f} B an object; read in {reading:.2f} s"
    yield Measure("manifest of a versioned bucket", len(manifest) / 1e6, unit="MB", note=note)
    yield Measure("memory beyond a bare listing", grown, unit="MB")


def on_folder(folder: Path, rows: int) -> Iterator[Measure]:
    write(folder / "data", 6, rows)
    files = sorted((folder / "data" / "rows").iterdir())
    root = FolderRoot(folder / "data")
    hashing = best(lambda: [hash_file(file) for file in files])
    ours, store = first_times(root, folder)
    before = stored_bytes(store)
    again = best(lambda: snapshot(store, root, spec()))
    note = f"{6 * rows:,} rows, {before / 1e6:.0f} MB; {ours:.2f} s / {hashing:.3f} s"
    yield Measure("first snapshot of a folder / hashing its files", ours / hashing, note=note)
    yield Measure("second snapshot of a folder / hashing its files", again / hashing, note=f"{again:.2f} s")
    yield Measure("bytes stored by a second snapshot", stored_bytes(store) - before, limit=0, unit="B")


def measure(quick: bool) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as name:
        os.environ["AIRFLOW_MLOPS_CACHE"] = str(Path(name) / "cache")
        yield from on_bucket(Path(name) / "bucket", *((5_000, 5) if quick else (100_000, 2)))
        yield from on_folder(Path(name) / "folder", 20_000 if quick else 200_000)


if __name__ == "__main__":
    raise SystemExit(report("Snapshot beside a bare listing and bare hashing", measure, sys.argv[1:]))
