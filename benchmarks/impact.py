"""Impact: "what does this bad batch touch?" over 10,000 model versions and as many dataset versions.

The store has 20 models with a release a day: each version learns from the files of its last days and one that all
share, every fourth through a version derived of the snapshot. Beside the answer out of the index stands the same answer
out of all records, read one by one as the registry reads them. Each question is asked by a new index, as a new process
would; listings count as one request for a thousand keys, as on S3. Times are processor seconds, so that other work on
the machine does not count.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from reporting import Measure, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_mlops.core.data.version import DataFile, DatasetRef, DatasetVersion, Derivation, dataset_key
from airflow_mlops.core.lineage.graph.impact import Impact, impact_of_dataset, impact_of_file
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Item, Store, open_store
from tests.core.lineage import records

BEGAN = datetime(2020, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2030, 1, 1, tzinfo=timezone.utc)
MODELS = 20
#: Files of a dataset version.
FILES = 8
#: Keys in one answer of S3.
PAGE = 1000
REPEATS = 5
DAY = timedelta(days=1)


class Counting:
    """A store that counts the requests that it would be asked on S3."""

    def __init__(self, store: Store) -> None:
        self.store, self.uri, self.requests = store, store.uri, 0

    def read(self, key: str) -> bytes:
        """One request."""
        self.requests += 1
        return self.store.read(key)

    def exists(self, key: str) -> bool:
        """One request."""
        self.requests += 1
        return self.store.exists(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        """One request for a thousand keys."""
        self.requests += 1
        for number, item in enumerate(self.store.list(prefix, start_after), start=1):
            self.requests += number % PAGE == 0
            yield item


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def source_file(model: str, day: int) -> DataFile:
    name = f"{model}/{day:05d}.parquet"
    return DataFile(source=name, sha256=hash_of(name), size=1_000_000, rows=20_000)


SHARED = DataFile(source="airports.parquet", sha256=hash_of("airports"), size=1, rows=1)


class World:
    """Writes records as they lie in a store, without its syncs to the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.version = records.model_version()
        self.dataset = records.dataset_version()

    def put(self, key: str, record: ModelVersion | DatasetVersion | Deployment) -> None:
        """Write one record."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(record.to_bytes())

    def release(self, model: str, number: int) -> None:
        """A dataset version, a model version that learned from it, and its way to the traffic."""
        at = BEGAN + number * DAY
        ref = DatasetRef(name=model, id=hash_of(f"{model} {number}")[:24])
        files = tuple(source_file(model, day) for day in range(max(0, number - FILES), number))
        files = (*files, SHARED)
        taken = {"name": model, "created_at": at}
        self.put(
            dataset_key(ref.name, ref.id),
            self.dataset.model_copy(update={**taken, "id": ref.id, "files": files}),
        )
        if number % 4 == 0:
            made = Derivation(kind="quarantine", parents=(ref,), by="bench", note="3 rows left out")
            ref = DatasetRef(name=model, id=hash_of(f"{model} {number} quarantine")[:24])
            own = (
                DataFile(source=f"quarantine-{ref.id[:12]}.parquet", sha256=hash_of(ref.id), size=1, rows=9),
            )
            fields = {**taken, "id": ref.id, "files": own, "derivation": made}
            self.put(dataset_key(ref.name, ref.id), self.dataset.model_copy(update=fields))
        fields = {"model": model, "dataset": ref, "created_at": at}
        self.put(f"models/{model}/versions/{number:010d}.json", self.version.model_copy(update=fields))
        promoted = Deployment(action="promote", champion=number, who="bench", why="all gates passed", at=at)
        self.put(f"models/{model}/deployments/{number:010d}.json", promoted)


def key_of(ref: DatasetRef) -> tuple[str, str]:
    return ref.name, ref.id


def naively(store: Store, sha256: str) -> tuple[set[tuple[str, str]], set[tuple[str, int]]]:
    """The dataset and model versions that a file touches, out of all records."""
    touched, made = set(), {}
    for item in store.list("datasets/"):
        version = DatasetVersion.from_bytes(store.read(item.key))
        made[key_of(version.ref)] = (
            [key_of(one) for one in version.derivation.parents] if version.derivation else []
        )
        if any(file.sha256 == sha256 for file in version.files):
            touched.add(key_of(version.ref))
    while more := {
        ref for ref, parents in made.items() if ref not in touched and touched.intersection(parents)
    }:
        touched |= more
    versions = set()
    for item in store.list("models/"):
        _, model, log, number = item.key.split("/")
        if log == "versions":
            record = ModelVersion.from_bytes(store.read(item.key))
            if key_of(record.dataset) in touched:
                versions.add((model, int(number.removesuffix(".json"))))
    return touched, versions


def timed(work: Callable[[], Impact]) -> tuple[float, Impact]:
    """Processor seconds, and the answer: on a folder whose files are in memory nothing is waited for."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def best(work: Callable[[], Impact]) -> tuple[float, Impact]:
    return min((timed(work) for _ in range(REPEATS)), key=lambda one: one[0])


def measure(quick: bool) -> Iterator[Measure]:
    versions = 2_000 if quick else 10_000
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as name:
        os.environ["AIRFLOW_MLOPS_CACHE"] = str(Path(name) / "cache")
        world = World(Path(name) / "store")
        for number in range(1, versions // MODELS + 1):
            for model in range(MODELS):
                world.release(f"model_{model:02d}", number)
        yield from on_store(open_store(str(world.folder)), world, versions)


def on_store(store: Store, world: World, versions: int) -> Iterator[Measure]:
    day = versions // MODELS // 2
    batch = source_file("model_07", day)
    dataset = f"model_07@{hash_of(f'model_07 {day}')[:24]}"
    cold, found = timed(lambda: impact_of_file(Index(store), batch.sha256, NOW))
    note = f"{versions:,} model versions; {len(found.versions)} of them touched"
    yield Measure("one file, no index yet", cold, unit="s", note=note)
    start = time.process_time()
    expected = naively(store, batch.sha256)
    naive = time.process_time() - start
    same = expected == (
        {key_of(one.dataset) for one in found.datasets},
        {(one.model, one.version) for one in found.versions},
    )
    yield Measure("answers that differ from the naive ones", float(not same), limit=0)
    seconds, _ = best(lambda: impact_of_file(Index(store), batch.sha256, NOW))
    yield Measure("one file", seconds, limit=1, unit="s")
    yield Measure(
        "one file / all records read naively", seconds / naive, limit=0.2, note=f"naive: {naive:.1f} s"
    )
    seconds, found = best(lambda: impact_of_dataset(Index(store), dataset, NOW))
    yield Measure(
        "a dataset version", seconds, limit=1, unit="s", note=f"{len(found.versions)} versions touched"
    )
    counting = Counting(store)
    impact_of_file(Index(counting), batch.sha256, NOW)
    note = f"one by one it would be {2 * versions:,} and more"
    yield Measure("requests to S3", counting.requests, limit=200, note=note)
    for model in range(MODELS):
        world.release(f"model_{model:02d}", versions // MODELS + 1)
    seconds, _ = timed(lambda: impact_of_file(Index(store), batch.sha256, NOW))
    yield Measure(f"one file, after {MODELS} new releases", seconds, limit=1, unit="s")
    seconds, found = best(lambda: impact_of_file(Index(store), SHARED.sha256, NOW))
    note = f"{len(found.datasets):,} dataset and {len(found.versions):,} model versions touched"
    yield Measure("a file that every version holds", seconds, limit=1, unit="s", note=note)


if __name__ == "__main__":
    raise SystemExit(report("What does this bad batch touch?", measure, sys.argv[1:]))
