"""How 200 models with 200 versions each stand: the first look of a process, and the looks after it.

Each version has been released by a shadow, two steps of a canary and a promotion, and looked at once: 320,000 records
in a folder. Most of them are links to a few files, so that writing them takes no hour; each is listed and looked up as
any other.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from typing import Any

from reporting import Measure, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.overview.board import Board, model_names
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.releases import ReleaseEvent
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Log, Store, open_store
from tests.core.registry import world

MODELS, VERSIONS, QUICK = 200, 200, 40
LIMIT = 300.0
TURNS = 20
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
#: A record of a version with its evaluation has so many bytes (the worked example's).
_PADDING = "x" * 40_000
_WHY = {"who": "bench", "why": "all gates passed"}
#: Entries of each log that are files of their own: what an overview reads.
_OWN = 8


def write(folder: Path, models: int, versions: int) -> None:
    """A store of that many."""
    store = open_store(str(folder))
    trained, evaluation = world.trained(store), world.evaluation()
    for number in range(models):
        place = folder / "models" / f"model_{number:03d}"
        version = ModelVersion(
            model=world.MODEL, dataset=world.DATASET, spec={"owner": "ann", "card": _PADDING}, trained=trained,
            evaluation=evaluation, validation=None, run=None, created_at=START, created_by="ann",
        )  # fmt: skip
        fill(place / "versions", versions, lambda _, record=version: record)
        fill(place / "deployments", 4 * versions, deployment)
        fill(place / "releases", 2 * versions, release)
        fill(place / "monitoring", versions, look)


def fill(place: Path, entries: int, make: Callable[[int], Record]) -> None:
    """A log: the last entries as they are, links to its first one before them."""
    place.mkdir(parents=True)
    first = place / f"{1:010d}.json"
    first.write_bytes(make(1).to_bytes())
    for number in range(2, entries + 1):
        path = place / f"{number:010d}.json"
        if number <= entries - _OWN:
            os.link(first, path)
        else:
            path.write_bytes(make(number).to_bytes())


def deployment(number: int) -> Deployment:
    version, step = divmod(number - 1, 4)
    at = START + timedelta(hours=number)
    if step == 3:
        return Deployment(action="promote", champion=version + 1, run=f"run {version}", at=at, **_WHY)
    return Deployment(
        action="canary" if step else "shadow", champion=version or 1, challenger=version + 1, weight=0.2 * step,
        run=f"run {version}", at=at, **_WHY,
    )  # fmt: skip


def release(number: int) -> ReleaseEvent:
    version, ended = divmod(number - 1, 2)
    at = START + timedelta(hours=4 * version + 3 * ended)
    return ReleaseEvent(
        run=f"run {version}", event="promoted" if ended else "began", version=version + 1, at=at
    )


def look(number: int) -> Look:
    at = START + timedelta(hours=4 * number)
    return Look(
        run=f"look {number}", since=at - timedelta(days=1), until=at, champion=number, drift="0" * 64, performance=None,
        outcome="stable", share=0.0, columns=(), metrics={"log_loss": 0.4}, judged_on="measured", failed_gates=(),
        decision=RetrainDecision(retrain=False, said="nothing asks for it"), at=at,
    )  # fmt: skip


def timed(work: Callable[[], Any]) -> float:
    """Processor milliseconds of one run: what it takes on a machine that does nothing else."""
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1000


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store, self.asked = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name in ("read", "exists", "list"):
            self.asked[name] += 1
        return found


def measure(quick: bool) -> Iterator[Measure]:
    versions = QUICK if quick else VERSIONS
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), MODELS, versions)
        store = open_store(folder)
        now = START + timedelta(hours=4 * versions + 1)
        names = model_names(store)
        board = Board()
        cold = timed(lambda: board.overviews(store, names, now))
        yield Measure(f"{MODELS} models x {versions} versions, first look", cold, unit="ms")
        warm = [timed(lambda: board.overviews(store, model_names(store), now)) for _ in range(TURNS)]
        yield Measure("again, nothing new", median(warm), LIMIT, unit="ms", note=f"worst {max(warm):.0f} ms")
        grown = []
        for turn in range(TURNS):
            append(store, names[turn])
            grown.append(timed(lambda: board.overviews(store, model_names(store), now)))
        yield Measure(
            "again, one model has moved on",
            median(grown),
            LIMIT,
            unit="ms",
            note=f"worst {max(grown):.0f} ms",
        )
        one = [timed(lambda: board.overview(store, names[-1], now)) for _ in range(TURNS)]
        yield Measure("one model, nothing new", median(one), unit="ms")
        counting = Counting(store)
        board.overviews(counting, names, now)  # type: ignore[arg-type]
        yield Measure("questions to the store for each model", sum(counting.asked.values()) / MODELS)


def append(store: Store, model: str) -> None:
    log = Log(store, f"models/{model}/deployments", Deployment)
    last = log.last_number()
    log.append(deployment(last + 1), after=last)


if __name__ == "__main__":
    raise SystemExit(report("how all models stand", measure, sys.argv[1:]))
