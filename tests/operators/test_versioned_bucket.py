"""The data stages on a versioned bucket: the snapshot lists, and the first stage that reads looks into the objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.store import Store
from airflow_mlops.operators.data import SnapshotOperator, ValidateOperator
from airflow_mlops.operators.model import EvaluateOperator, TrainOperator
from tests.core.training.world import World, spec_of
from tests.operators.world import Run
from tests.servers import S3Server, ministack


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with ministack() as running:
        yield running


@pytest.fixture
def bucket(
    server: S3Server,
    store: Store,
    connect: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> str:
    """A versioned bucket with the orders of the world, as the platform's data root."""
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    bucket = server.make_bucket(versioned=True)
    World().frame().to_parquet(tmp_path / "all.parquet", index=False)
    server.client().upload_file(str(tmp_path / "all.parquet"), bucket, "orders/all.parquet")
    connect(data=f"s3://{bucket}")
    return bucket


def test_a_snapshot_only_pins_and_every_later_stage_reads_what_was_pinned(
    bucket: str, server: S3Server, store: Store, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(SnapshotOperator, "progress", lambda _, line: lines.append(line))
    taken = run.execute(SnapshotOperator(task_id="snapshot", spec=spec_of()))
    assert taken == {
        "dataset": "orders",
        "id": taken["id"],
        "rows": None,
        "files": 1,
        "first_event": None,
        "last_event": None,
    }
    assert lines[-1].startswith(f"dataset orders@{taken['id']}: pinned 1 object (")
    assert lines[-1].endswith("nothing copied; its rows are counted when it is first read")
    assert run.execute(SnapshotOperator(task_id="snapshot", spec=spec_of())) == taken

    server.client().put_object(Bucket=bucket, Key="orders/all.parquet", Body=b"overwritten meanwhile")
    assert run.execute(ValidateOperator(task_id="validate", spec=spec_of(), dataset=taken))["success"]
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "another worker"))
    trained = run.execute(TrainOperator(task_id="train", spec=spec_of(), dataset=taken))
    run.execute(EvaluateOperator(task_id="evaluate", spec=spec_of(), dataset=taken, trained=trained))
    assert run.execute(SnapshotOperator(task_id="snapshot", spec=spec_of()))["id"] != taken["id"]


def test_what_the_spec_names_is_held_against_the_data_by_the_first_stage_that_reads(
    bucket: str, run: Run
) -> None:
    wrong = spec_of(data={"source": "orders/*.parquet", "event_time": "ordered", "label": "nothing_like_it"})
    taken = run.execute(SnapshotOperator(task_id="snapshot", spec=wrong))
    with pytest.raises(AirflowFailException, match=r"lacks nothing_like_it \(data\.label"):
        run.execute(TrainOperator(task_id="train", spec=wrong, dataset=taken))
    mended = run.execute(SnapshotOperator(task_id="snapshot", spec=spec_of()))
    assert mended["id"] == taken["id"], "the label is no part of what is pinned"
    run.execute(TrainOperator(task_id="train", spec=spec_of(), dataset=mended))
