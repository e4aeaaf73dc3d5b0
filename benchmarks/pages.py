"""How long the Models pages take to be made, in a store of 200 models with 200 versions each.

The store is that of ``overview.py``; one model more has records of its own throughout: for each version a dataset
version, an evaluation and a release through shadow and canary, and a look of the monitor with reports on 20 columns.
Each page is asked for through the app that Airflow mounts, with Airflow's own check of permissions for each model but
without looking up a session; *first* is the first request of the process for it, *again* the median of those after it.
Times are processor milliseconds, so that other work on the machine does not count; beside them stands the clock's.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from overview import LIMIT, MODELS, QUICK, START, VERSIONS, deployment, release, write
from reporting import Measure, report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_mlops.core.data.version import DatasetRef, dataset_key
from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.results import keep
from tests.core.lineage import records

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

MODEL = "model_own"
COLUMNS = 20
TURNS = 15
PAGES = {
    "list of models": "/",
    "list of models, narrowed": "/?q=model_1",
    "a model": f"/models/{MODEL}",
    "its live rollout": f"/models/{MODEL}/live",
    "two versions compared": f"/models/{MODEL}/compare?a={{before}}&b={{last}}",
    "a version": f"/models/{MODEL}/versions/{{last}}",
    "an old version": f"/models/{MODEL}/versions/2",
    "lineage of a version": f"/models/{MODEL}/versions/{{last}}/lineage",
    "audit of a version": f"/models/{MODEL}/versions/{{last}}/audit",
    "card of a version": f"/models/{MODEL}/versions/{{last}}/card.html",
}


def write_own(folder: Path, versions: int) -> None:
    """The model with records of its own."""
    store = open_store(str(folder))
    for number in range(1, versions + 1):
        ref = DatasetRef(name=MODEL, id=f"{number:064x}")
        dataset = records.dataset_version(9).model_copy(update={"name": MODEL, "id": ref.id})
        put(folder, dataset_key(ref.name, ref.id), dataset)
        entry(folder, "versions", number, version(store, number, ref))
        entry(folder, "monitoring", number, look(store, number))
        for step in range(1, 5):
            entry(folder, "deployments", 4 * (number - 1) + step, deployment(4 * (number - 1) + step))
        for step in (1, 2):
            entry(folder, "releases", 2 * (number - 1) + step, release(2 * (number - 1) + step))


def entry(folder: Path, log: str, number: int, record: Record) -> None:
    """One entry of a log, written without a sync to the disk."""
    put(folder, f"models/{MODEL}/{log}/{number:010d}.json", record)


def put(folder: Path, key: str, record: Record) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(record.to_bytes())


def version(store: Store, number: int, dataset: DatasetRef) -> ModelVersion:
    trained = records.trained_model().model_copy(update={"model": MODEL, "dataset": dataset.id})
    validation = records.validation_result().model_copy(update={"dataset": dataset, "tested": dataset})
    return records.model_version().model_copy(
        update={
            "model": MODEL,
            "dataset": dataset,
            "trained": trained,
            "validation": keep(store, validation),
            "run": RunRef(dag_id=f"{MODEL}.release", run_id=f"run {number}"),
            "created_at": START + timedelta(hours=4 * number - 3),
            "spec": {**records.OWNED, "name": MODEL},
        }
    )


def look(store: Store, number: int) -> Look:
    at = START + timedelta(hours=4 * number)
    period = {"model": MODEL, "champion": number, "since": at - timedelta(hours=4), "until": at}
    one, *_ = records.drift_report().columns
    columns = tuple(
        one.model_copy(update={"column": f"column_{n}", "effect": n / 40}) for n in range(COLUMNS)
    )
    drift = records.drift_report().model_copy(update={**period, "columns": columns})
    performance = records.performance_report()
    (measured,) = performance.periods
    own = {name: value for name, value in period.items() if name != "model"}
    performance = performance.model_copy(
        update={**period, "as_of": at, "periods": (measured.model_copy(update=own),)}
    )
    return Look(
        run=f"look {number}", since=period["since"], until=at, champion=number, drift=keep(store, drift),
        performance=keep(store, performance), outcome="drift", share=0.4, columns=("column_19",),
        metrics={"log_loss": 0.4}, judged_on="measured", failed_gates=(),
        decision=RetrainDecision(retrain=False, said="nothing asks for it"), at=at,
    )  # fmt: skip


def signed_in_client(store: Store) -> TestClient:
    """A client of the app whose user is an admin; each permission is asked of Airflow's simple auth manager."""
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from fastapi.testclient import TestClient

    from airflow_mlops.ui.access import signed_in
    from airflow_mlops.ui.app import create_app
    from airflow_mlops.ui.source import the_store

    create_auth_manager()
    app = create_app()
    app.dependency_overrides[signed_in] = lambda: SimpleAuthManagerUser(username="ann", role="admin")
    app.dependency_overrides[the_store] = lambda: store
    return TestClient(app)


def measure(quick: bool) -> Iterator[Measure]:
    versions = QUICK if quick else VERSIONS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        os.environ["AIRFLOW_HOME"] = os.environ["AIRFLOW_MLOPS_CACHE"] = f"{folder}/home"
        write(Path(folder) / "store", MODELS // 4 if quick else MODELS, versions)
        write_own(Path(folder) / "store", versions)
        client = signed_in_client(open_store(f"{folder}/store"))
        for what, path in PAGES.items():
            yield from on_page(client, what, path.format(last=versions, before=versions - 1))


def on_page(client: TestClient, what: str, path: str) -> Iterator[Measure]:
    def ask() -> Any:
        answer = client.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer

    cold, _ = both(ask)
    turns = [both(ask) for _ in range(TURNS)]
    size = f"{len(ask().content) / 1000:.0f} kB"
    yield Measure(f"{what}, first", cold, unit="ms", note=size)
    busy, waited = (median(one) for one in zip(*turns, strict=True))
    yield Measure(f"{what}, again", busy, LIMIT, unit="ms", note=f"by the clock {waited:.0f} ms")


def both(work: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of the processor, and by the clock."""
    busy, clock = time.process_time(), time.perf_counter()
    work()
    return (time.process_time() - busy) * 1000, (time.perf_counter() - clock) * 1000


if __name__ == "__main__":
    raise SystemExit(report("making of the Models pages", measure, sys.argv[1:]))
