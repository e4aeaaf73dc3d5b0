"""The tasks of a score DAG, where the endpoint is on SageMaker: deferred, tried again, the same predictions as here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_mlops.assets import create_model_asset
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.scoring.reading import read_predictions
from airflow_mlops.core.serving.transform_rows import output_prefix
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.operators.scoring import ScoreOperator, SnapshotScoringOperator
from airflow_mlops.spec import ModelSpec
from tests.core.scoring.world import frame_of
from tests.core.serving.transform_world import Batch, batches, connect
from tests.operators.test_transform import fired
from tests.operators.world import Run

pytestmark = pytest.mark.s3
NOW = datetime(2024, 6, 20, tzinfo=timezone.utc)


class ScoreRun(Run):
    """A run of the score DAG, at a time of its own."""

    def context(self, operator: Any) -> Any:
        context = super().context(operator)
        outlets = {outlet: SimpleNamespace(extra=None) for outlet in operator.outlets}
        self.events = outlets | self.events
        context["outlet_events"] = self.events
        context["dag_run"].logical_date = NOW
        return context


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder = tmp_path_factory.mktemp("score")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        with batches(folder) as batch:
            log = DeploymentLog(batch.store, "orders").log
            at = datetime(2024, 1, 1, tzinfo=timezone.utc)
            log.append(
                Deployment(action="promote", champion=1, who="ann", why="test", run=None, at=at), after=0
            )
            yield batch


@pytest.fixture
def batch(world: Batch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """Connections to the world, and a folder for the rows to score."""
    connect(world, monkeypatch, data=str(tmp_path / "data"))
    (tmp_path / "data" / "new").mkdir(parents=True)
    return world


def write(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(tmp_path / "data" / "new" / "a.parquet", index=False)


def spec_of(batch: Batch) -> ModelSpec:
    return batch.spec.with_overrides({"scoring": {"source": "new/*.parquet", "carry": ["country"]}})


def snapshot(batch: Batch, run: Run, **fields: Any) -> Any:
    operator = SnapshotScoringOperator(
        task_id="snapshot", spec=spec_of(batch), mlops_conn_id="mlops_sim", **fields
    )
    return run.execute(operator)


def task(batch: Batch, dataset: Any, **fields: Any) -> ScoreOperator:
    outlets = [create_model_asset(model="orders", part="predictions")]
    return ScoreOperator(
        task_id="score",
        spec=spec_of(batch),
        mlops_conn_id="mlops_sim",
        dataset=dataset,
        outlets=outlets,
        **fields,
    )


def deferred(run: Run, operator: ScoreOperator) -> Any:
    with pytest.raises(TaskDeferred) as caught:
        run.execute(operator)
    return caught.value.trigger


def test_a_job_predicts_what_this_process_would(batch: Batch, tmp_path: Path) -> None:
    frame = frame_of(range(1, 4), rows=300, seed=5)
    frame = frame.assign(express=frame["express"].astype(str))
    frame.loc[[5, 400], "express"] = "perhaps"
    write(tmp_path, frame)
    run = ScoreRun("whole", dag_id="orders.score")
    dataset = snapshot(batch, run)
    assert dataset["at"] == NOW.isoformat()
    trigger = deferred(run, task(batch, dataset))
    assert deferred(run, task(batch, dataset)).job == trigger.job, "a retry finds its job"
    done = run.resume(task(batch, dataset), fired(trigger))
    assert (done["version"], done["rows"], done["set_aside"], done["new"]) == (1, 898, 2, True)
    assert done["partitions"] == ["2024-06-01", "2024-06-02", "2024-06-03"]
    (event,) = run.events.values()
    assert json.loads(json.dumps(event.extra)) == done
    good = frame.drop(index=[5, 400]).assign(express=lambda one: one["express"] == "True")
    expected = Predictor.load(batch.store, batch.record.trained).predict_frame(good)
    found = read_predictions(batch.store, "orders").to_pandas()
    assert list(found["_prediction"]) == pytest.approx(list(expected))
    assert list(found["_row"]) == list(good.index)
    again = run.execute(task(batch, dataset))
    assert again == {**done, "new": False}, "a retry of a finished one has nothing to wait for"
    other = ScoreRun("another", dag_id="orders.score")
    assert other.execute(task(batch, snapshot(batch, other))) == again


def test_what_the_rule_answered_for_a_failing_model_is_no_prediction(batch: Batch, tmp_path: Path) -> None:
    write(tmp_path, frame_of(range(1, 4), rows=300, seed=6))
    run = ScoreRun("failing", dag_id="orders.score")
    dataset = snapshot(batch, run)
    trigger = deferred(run, task(batch, dataset))
    event = fired(trigger)
    prefix = batch.transform("orders.score/failing/score").prefix
    answers = [one.key for one in batch.store.list(f"{output_prefix(prefix)}/")]
    replaced = json.loads(batch.store.read(answers[0])) | {"mlops": {"variant": "fallback"}}
    batch.world.s3.put_object(
        Bucket=batch.world.bucket, Key=f"store/{answers[0]}", Body=json.dumps(replaced).encode()
    )
    with pytest.raises(AirflowException, match="version 1 failed on a batch of rows"):
        run.resume(task(batch, dataset), event)
    found = read_predictions(batch.store, "orders").to_pandas()
    assert dataset["id"] not in {one.partition("@")[2] for one in found["_dataset"]}


def test_mistakes_fail_at_once_and_an_empty_period_is_skipped(batch: Batch, tmp_path: Path) -> None:
    write(tmp_path, frame_of(range(1, 4), rows=300, seed=7).assign(country=1.5))
    run = ScoreRun("mistakes", dag_id="orders.score")
    with pytest.raises(AirflowSkipException, match="no row of"):
        snapshot(batch, run, since="2025-01-01", until="2025-01-02")
    dataset = snapshot(batch, run)
    with pytest.raises(AirflowFailException, match=r"no row of .* can be predicted by v1; given 900 rows"):
        run.execute(task(batch, dataset))
    with pytest.raises(AirflowFailException, match="orders has no version 7"):
        run.execute(task(batch, dataset, version=7))
    with pytest.raises(AirflowFailException, match="dataset is not a dataset version"):
        run.execute(task(batch, None))
