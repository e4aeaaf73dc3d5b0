"""A small real store: two dataset versions, two model versions, a policy, an approval and three decisions."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd

from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.registry.approvals import Answer, ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.policies import note_policy
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.actor import acting
from airflow_mlops.core.store.blobs import put_bytes
from tests.core.registry.world import MODEL, evaluation, register, spec, trained

AT = datetime(2026, 1, 1, tzinfo=timezone.utc)
CHAIN = f"audit/models/{MODEL}"


def taken(store: Store, folder: Path, amount: float) -> DatasetVersion:
    """A dataset version of four rows."""
    (folder / "orders").mkdir(parents=True, exist_ok=True)
    times = pd.date_range("2024-01-01", periods=4)
    frame = pd.DataFrame({"ordered": times, "amount": amount, "late": [0, 1, 0, 1]})
    frame.to_parquet(folder / "orders" / "a.parquet")
    return snapshot(store, FolderRoot(folder), spec())


def build(store: Store, folder: Path) -> None:
    """Release two versions, the second one into a canary."""
    with acting("ann", "orders.release/r0/train"):
        note_policy(store, spec(), run="r0", who="ann", at=AT)
        for number in range(2):
            version = taken(store, folder, number)
            page = put_bytes(store, b"<html>%d</html>" % number)
            model = trained(store, f"model {number}", dataset=version.id)
            scores = evaluation().model_copy(update={"page": page})
            register(store, run=f"r{number}", trained=model, dataset=version.ref, evaluation=scores)
        answer = Answer(user="ben", choice="approve", at=AT)
        record = ApprovalRecord(
            run="r0", version=1, outcome="approved", reason="asked", answers=(answer,), at=AT
        )
        approval_log(store, MODEL).append(record, after=0)
        log = DeploymentLog(store, MODEL)
        log.promote(1, who="ann", why="the first", run="r0")
        lease = timedelta(hours=1)
        log.challenge(2, weight=0.1, lease=lease, who="ann", why="better", run="r1")
        log.rollback(to=1, who="ben", why="slow", run="r2")
