"""Data that nobody needs go; a release can start from a version that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.store import Store
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.operators.retention import PruneOperator
from tests.core.training.world import World, spec_of
from tests.operators.world import Run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    World().frame().to_parquet(folder / "all.parquet", index=False)
    return folder


def test_a_version_that_is_there_is_taken(store: Store, data: Path, run: Run) -> None:
    first = run.execute(SnapshotOperator(task_id="snapshot", spec=spec_of()))
    (data / "all.parquet").unlink()
    again = run.execute(SnapshotOperator(task_id="again", spec=spec_of(), dataset=first["id"]))
    assert again == first
    with pytest.raises(AirflowFailException, match="dataset, or since and until"):
        run.execute(SnapshotOperator(task_id="both", spec=spec_of(), dataset=first["id"], since="2024-01-01"))
    with pytest.raises(AirflowFailException, match="is not in"):
        run.execute(SnapshotOperator(task_id="none", spec=spec_of(), dataset="0" * 24))


def test_prune_says_what_went(store: Store, data: Path, run: Run) -> None:
    spec = spec_of(retention={"keep": "0.000001s", "grace": "0.000001s"})
    taken = run.execute(SnapshotOperator(task_id="snapshot", spec=spec))
    name = f"{taken['dataset']}@{taken['id']}"
    assert run.execute(PruneOperator(task_id="first", spec=spec))["datasets"] == [name]
    second = run.execute(PruneOperator(task_id="second", spec=spec))
    assert second["datasets"] == []
    assert second["removed"] == 1
    assert second["removed_bytes"] > 0
    assert not list(store.list("blobs/"))
