"""A store with a small history, written as it lies there: dataset versions, models, traffic, predictions."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.data.erasures import Erasure, Tombstone, erasure_log
from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DataFile, DatasetRef, Derivation, dataset_key
from airflow_mlops.core.monitoring.look import Look, RetrainDecision, monitoring_log
from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.version import ModelVersion, RunRef
from airflow_mlops.core.reproduction.record import Reproduction, reproduction_log
from airflow_mlops.core.scoring.record import Partition, Scored, predictions_log
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from tests.core.lineage.records import dataset_version, model_version

BEGAN = datetime(2024, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2024, 12, 1, tzinfo=timezone.utc)


def day(number: int) -> datetime:
    return BEGAN + timedelta(days=number)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def file(source: str, content: str | None = None, **fields: Any) -> DataFile:
    """A file whose content is its name, unless it is given."""
    return DataFile(source=source, sha256=sha(content or source), size=1000, rows=10, **fields)


def put_dataset(
    store: Store, name: str, version_id: str, *files: DataFile | str, **fields: Any
) -> DatasetRef:
    """A manifest; a parent in ``fields`` makes it derived."""
    given = tuple(one if isinstance(one, DataFile) else file(one) for one in files)
    parents = fields.pop("parents", ())
    if parents:
        kind = fields.pop("kind", "review")
        fields["derivation"] = Derivation(
            kind=kind, parents=tuple(parents), by="ann", note="3 labels corrected"
        )
    base = {"name": name, "id": version_id, "files": given, "rows": 10 * len(given), "created_at": day(0)}
    record = dataset_version().model_copy(update={**base, **fields})
    store.create(dataset_key(name, version_id), record.to_bytes())
    return record.ref


def put_pin(store: Store, name: str, version_id: str, *sources: str) -> DatasetRef:
    """A pin of objects of a versioned bucket."""
    pin = Pin(
        name=name,
        id=version_id,
        format="parquet",
        root="s3://lake/gold",
        event_time="at",
        created_at=day(0),
        sources=sources,
        sizes=(1000,) * len(sources),
        version_ids=tuple(f"v-{one}" for one in sources),
        etags=("tag",) * len(sources),
        hashes={},
    )
    store.create(pin_key(name, version_id), pin.to_bytes())
    return pin.ref


def put_version(store: Store, model: str, dataset: DatasetRef, at: datetime = BEGAN, **fields: Any) -> int:
    """A registered version, with its artifact in the store."""
    log: Log[ModelVersion] = Log(store, f"models/{model}/versions", ModelVersion)
    number = log.last_number()
    record = model_version()
    artifact = put_bytes(store, f"{model} {number + 1}".encode())
    trained = record.trained.model_copy(update={"model": model, "dataset": dataset.id, "artifact": artifact})
    base = {"model": model, "dataset": dataset, "trained": trained, "created_at": at}
    base["run"] = RunRef(dag_id=f"{model}.release", run_id=f"r{number + 1}")
    return log.append(record.model_copy(update={**base, **fields}), after=number)


def deploy(store: Store, model: str, action: str, champion: int | None, at: datetime, **fields: Any) -> int:
    """An entry of the deployment log, as if it had been written at a time."""
    log: Log[Deployment] = Log(store, f"models/{model}/deployments", Deployment)
    base = {"action": action, "champion": champion, "who": "ann", "why": f"{action} it", "at": at}
    return log.append(Deployment(**{**base, **fields}), after=log.last_number())


def score(
    store: Store, model: str, version: int | None, dataset: DatasetRef, at: datetime, days: int = 2
) -> int:
    """A scoring."""
    parts = tuple(
        Partition(
            day=date(2024, 2, one), key=f"predictions/{model}/date={one}/{at:%j}", sha256="0" * 64, rows=5
        )
        for one in range(1, days + 1)
    )
    log = predictions_log(store, model)
    entry = Scored(
        model=model,
        dataset=dataset,
        since=None,
        until=None,
        content="c",
        sources=(),
        version=version,
        variant=f"v{version}" if version else "fallback",
        columns=(),
        event_time="at",
        scored_at=at,
        rows=5 * days,
        partitions=parts,
        by="ann",
    )
    return log.append(entry, after=log.last_number())


def look(store: Store, model: str, champion: int | None, at: datetime, **fields: Any) -> int:
    """A look of the monitor."""
    base: dict[str, Any] = {
        "run": f"{model}.monitor/{at:%j}",
        "since": at - timedelta(days=1),
        "until": at,
        "champion": champion,
        "drift": "0" * 64,
        "performance": None,
        "outcome": "stable",
        "share": 0.0,
        "columns": (),
        "metrics": {},
        "judged_on": None,
        "failed_gates": (),
        "decision": RetrainDecision(retrain=False, said="no cause"),
        "at": at,
    }
    log = monitoring_log(store, model)
    return log.append(Look(**{**base, **fields}), after=log.last_number())


def approve(store: Store, model: str, version: int, outcome: Any, at: datetime) -> int:
    log = approval_log(store, model)
    answers = (Answer(user="ada", choice="approve" if outcome == "approved" else "reject", at=at),)
    record = ApprovalRecord(run="r", version=version, outcome=outcome, reason="seen", answers=answers, at=at)
    return log.append(record, after=log.last_number())


def reproduce(store: Store, model: str, version: int, at: datetime) -> int:
    log = reproduction_log(store, model)
    record = Reproduction(
        run=None,
        version=version,
        outcome="identical",
        reason="the same bytes",
        artifact="0" * 64,
        rebuilt="0" * 64,
        tolerance=0.0,
        place="here",
        seconds=1.0,
        by="ann",
        at=at,
    )
    return log.append(record, after=log.last_number())


def erase(store: Store, model: str, dataset: DatasetRef, replaced_by: DatasetRef | None, at: datetime) -> int:
    log = erasure_log(store, model)
    stone = Tombstone(dataset=dataset, rows=2, replaced_by=replaced_by, blobs=("b" * 64,))
    record = Erasure(subject="k" * 64, state="done", tombstones=(stone,), who="dpo", why="request 7", at=at)
    return log.append(record, after=log.last_number())


def put(store: Store, key: str, record: Record) -> None:
    store.create(key, record.to_bytes())


def orders(store: Store) -> None:
    """Two models. Of ``orders`` three versions: on a snapshot, on a reviewed one, and on newer data without ``bad``."""
    first = put_dataset(store, "orders", "aa11", "orders/1.parquet", "orders/bad.parquet")
    second = put_dataset(
        store,
        "orders",
        "ab22",
        *("orders/1.parquet", "orders/bad.parquet", "orders/2.parquet"),
        created_at=day(9),
    )
    reviewed = put_dataset(store, "orders", "bb33", "review-1.parquet", parents=(second,), created_at=day(10))
    third = put_dataset(store, "orders", "cc44", "orders/3.parquet", created_at=day(20))
    put_version(store, "orders", first, day(1))
    put_version(store, "orders", reviewed, day(11))
    put_version(store, "orders", third, day(21))
    deploy(store, "orders", "promote", 1, day(2))
    deploy(store, "orders", "shadow", 1, day(12), challenger=2, lease_until=day(15))
    deploy(store, "orders", "canary", 1, day(13), challenger=2, weight=0.2, lease_until=day(16))
    deploy(store, "orders", "promote", 2, day(14))
    deploy(store, "orders", "shadow", 2, day(22), challenger=3, lease_until=day(23))
    score(store, "orders", 1, third, day(3))
    score(store, "orders", 2, third, day(15))
    score(store, "orders", 3, first, day(24))
    other = put_dataset(store, "clicks", "dd55", "clicks/1.parquet")
    put_version(store, "clicks", other, day(5))
