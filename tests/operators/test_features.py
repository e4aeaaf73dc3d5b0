"""A leak stops the release before anything is trained; skew fails the monitor."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.data.reading import load_version, read_frame
from airflow_mlops.core.monitoring.skew import SkewReport
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.capture import CaptureRecord
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.core.training.leakage import LeakageReport
from airflow_mlops.core.training.predictor import Predictor
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.operators.features import LeakageOperator, SkewOperator
from airflow_mlops.spec import ModelSpec
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.core.training.world import World, rows_of, spec_of
from tests.operators.test_pipeline import stages
from tests.operators.world import Run

INPUTS = ["amount", "country", "express"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    frame = World().frame().assign(order_id=np.arange(1200), usual=7.0)
    frame.assign(paid_late=frame["late"] * 1.0).to_parquet(folder / "all.parquet", index=False)
    return folder


def spec(*more: str, severity: str = "fail", **sections: Any) -> ModelSpec:
    leakage = {"max_auc": 0.9, "severity": severity}
    return spec_of(
        data={"source": "orders/*.parquet", "event_time": "ordered", "label": "late", "id": "order_id"},
        features={"columns": [*INPUTS, *more], "leakage": leakage},
        monitoring={"skew_requests": 40},
        **sections,
    )


def look(run: Run, spec: ModelSpec) -> Any:
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=spec))
    return run.execute(LeakageOperator(task_id="check_features", spec=spec, dataset=dataset))


def test_honest_features_pass_and_the_report_is_kept(store: Store, data: Path, run: Run) -> None:
    told = look(run, spec())
    assert (told["passed"], told["leaks"], told["changed"], told["strongest"]) == (True, [], [], "amount")
    report = recall(store, told["ref"], LeakageReport)
    assert report.strengths[0].auc == pytest.approx(told["auc"], abs=1e-4)
    assert report.compared_with is None
    assert look(run, spec())["ref"] == told["ref"]


def test_a_leak_stops_the_run_and_is_told(store: Store, data: Path, run: Run) -> None:
    with pytest.raises(AirflowFailException, match=r"paid_late alone ranks the labels with AUC 1\.000"):
        look(run, spec("paid_late"))
    assert run.refusal("check_features")["kind"] == "FeatureError"
    assert run.xcoms["check_features", "leakage"]["leaks"] == ["paid_late"]


def test_a_leak_of_severity_warn_does_not_stop_the_run(store: Store, data: Path, run: Run) -> None:
    told = look(run, spec("paid_late", severity="warn"))
    assert (told["passed"], told["leaks"]) == (False, ["paid_late"])


def test_columns_are_held_against_what_the_champion_learned_from(store: Store, data: Path, run: Run) -> None:
    """The mean over all rows, computed by whoever delivers the data, was another one then."""
    stages(run, spec("usual"))
    DeploymentLog(store, "orders").promote(1, who="ann", why="first", run="r1")
    frame = World().frame().assign(order_id=np.arange(1200), usual=7.5, paid_late=0.0)
    frame.to_parquet(data / "all.parquet", index=False)
    with pytest.raises(
        AirflowFailException, match="usual differs in 1,200 of 1,200 rows from the version that ended"
    ):
        look(Run("r2"), spec("usual"))


@pytest.fixture
def answered(
    store: Store, data: Path, run: Run, endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch
) -> Any:
    """A champion, and its captured answers to forty requests; the last one can be changed."""
    done = stages(run, spec())
    DeploymentLog(store, "orders").promote(1, who="ann", why="first", run="r1")
    version = load_version(store, "orders", done["snapshot"]["id"])
    predictor = Predictor.load(store, Registry(store, "orders").get(1).trained)
    records = []
    for number, row in enumerate(rows_of(read_frame(store, version).iloc[:40], INPUTS)):
        records.append(
            CaptureRecord(
                event_id=f"e{number}",
                inference_id=f"i{number}",
                variant="v1",
                role="champion",
                at=utc_now() - timedelta(minutes=5),
                latency_ms=1.0,
                status=200,
                key="0" * 16,
                rows=(row,),
                predictions=tuple(float(value) for value in predictor.predict([row])),
                deployment=1,
            )
        )
    monkeypatch.setattr(endpoint, "captures", lambda since, cursor=None: iter(records))
    return records


def test_equal_features_pass(store: Store, answered: Any, run: Run) -> None:
    told = run.execute(SkewOperator(task_id="skew", spec=spec()))
    assert (told["outcome"], told["requests"], told["features"], told["answers"]) == ("equal", 40, [], 0)
    assert recall(store, told["ref"], SkewReport).rows == 40
    assert run.execute(SkewOperator(task_id="skew", spec=spec(), requests="7"))["requests"] == 7


def test_skew_fails_the_task_and_is_kept(store: Store, answered: Any, run: Run) -> None:
    answered[-1] = answered[-1].model_copy(update={"predictions": (0.25,)})
    with pytest.raises(AirflowFailException, match=r"1 captured answers are not .* \(request i39\)"):
        run.execute(SkewOperator(task_id="skew", spec=spec()))
    told = run.xcoms["skew", "skew"]
    assert (told["outcome"], told["answers"]) == ("skew", 1)
    assert recall(store, told["ref"], SkewReport).first_answer == "i39"


def test_without_a_champion_nothing_is_decided(store: Store, run: Run) -> None:
    assert run.execute(SkewOperator(task_id="skew", spec=spec()))["outcome"] == "inconclusive"


@pytest.mark.parametrize(
    "requests,says", [("many", "requests is not a number; given 'many'"), (0, "compares nothing; given 0")]
)
def test_a_wrong_number_of_requests(store: Store, run: Run, requests: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        run.execute(SkewOperator(task_id="skew", spec=spec(), requests=requests))
