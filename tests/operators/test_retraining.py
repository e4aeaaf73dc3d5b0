"""A release that the monitor asked for has to pass the same gates as any other: asking promotes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.errors import GateFailed
from airflow_mlops.core.monitoring.look import RetrainDecision
from airflow_mlops.core.monitoring.retraining.facts import facts_of
from airflow_mlops.core.monitoring.retraining.policy import decide
from airflow_mlops.core.monitoring.retraining.requests import request_retraining
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.releases import release_log
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.operators.data import SnapshotOperator
from airflow_mlops.operators.model import EvaluateOperator, RegisterOperator, TrainOperator
from airflow_mlops.operators.rollout import (
    BeginReleaseOperator,
    ChallengeOperator,
    ConcludeReleaseOperator,
    PromoteOperator,
)
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring import evidence
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.core.training.world import World, spec_of
from tests.operators.world import Run

TASKS = ["begin", "evaluate", "register", "shadow", "promote"]


def spec(**sections: Any) -> ModelSpec:
    return spec_of(**{"monitoring": {"retrain": {"windows": 1, "of": 1, "cooldown": "1s"}}, **sections})


@pytest.fixture
def data(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "orders"
    folder.mkdir(parents=True)
    World().frame().to_parquet(folder / "all.parquet", index=False)


def build(run: Run, spec: ModelSpec) -> Any:
    """From data to a registered version."""
    run.execute(BeginReleaseOperator(task_id="begin", spec=spec))
    dataset = run.execute(SnapshotOperator(task_id="snapshot", spec=spec))
    trained = run.execute(TrainOperator(task_id="train", spec=spec, dataset=dataset))
    evaluation = run.execute(
        EvaluateOperator(task_id="evaluate", spec=spec, dataset=dataset, trained=trained)
    )
    return run.execute(
        RegisterOperator(
            task_id="register", spec=spec, dataset=dataset, trained=trained, evaluation=evaluation
        )
    )


def conclude(run: Run) -> Any:
    return run.execute(ConcludeReleaseOperator(task_id="conclude", spec=spec(), tasks=TASKS))


@pytest.fixture
def champion(store: Store, data: None) -> None:
    """Version 1 came by a release; the monitor has asked for another one then."""
    run = Run("first")
    run.execute(PromoteOperator(task_id="promote", spec=spec(), version=build(run, spec())))
    assert conclude(run)["outcome"] == "promoted"
    look = evidence.asking(champion=1, at=utc_now())
    assert request_retraining(store, "orders", look, at=utc_now())


def decision(store: Store, seconds: float = 0) -> RetrainDecision:
    """Of the next look: there is as much drift as before."""
    now = utc_now() + timedelta(seconds=2 + seconds)
    return decide(spec(), facts_of(store, spec(), evidence.drift(0.9, champion=1), None, run="m2", now=now))


def champions(store: Store) -> list[int | None]:
    return [entry.champion for _, entry in DeploymentLog(store, "orders").log.entries()]


@pytest.mark.usefixtures("champion")
def test_a_gate_of_the_evaluation_that_fails_ends_it(store: Store) -> None:
    asked = Run("asked")
    assert decision(store).restraint == "asked"
    with pytest.raises(AirflowFailException, match="auc"):
        build(asked, spec(evaluation={"gates": [{"metric": "auc", "min": 0.99}]}))
    assert decision(store).restraint == "asked", "its release is running"
    told = conclude(asked)
    assert (told["outcome"], told["task"], told["champion"]) == ("refused", "evaluate", 1)
    assert champions(store) == [1]
    assert Registry(store, "orders").numbers() == (1,)
    assert [one.event for _, one in release_log(store, "orders").entries()] == [
        "began",
        "promoted",
        "began",
        "refused",
    ]
    assert decision(store).retrain, "that release is over"


@pytest.mark.usefixtures("champion")
def test_a_challenger_does_not_promote_itself_past_its_gates(store: Store, endpoint: FakeEndpoint) -> None:
    asked = Run("asked")
    version = build(asked, spec())
    asked.execute(ChallengeOperator(task_id="shadow", spec=spec(), version=version))
    assert endpoint.serves.mode == "shadow"
    with pytest.raises(AirflowFailException) as refused:
        asked.execute(PromoteOperator(task_id="promote", spec=spec(), version=version, verdicts=[]))
    assert asked.refusal("promote")["kind"] == GateFailed.__name__, refused.value
    told = conclude(asked)
    assert (told["outcome"], told["champion"]) == ("refused", 1)
    assert set(champions(store)) == {1}
    assert endpoint.serves.champion == 1


def test_the_version_says_how_much_of_its_data_it_may_have_shaped(store: Store, champion: None) -> None:
    build(Run("again"), spec())
    registry = Registry(store, "orders")
    assert [registry.get(number).shaped for number in (1, 2)] == [0.0, 0.0], (
        "events of 2024, answers of today"
    )
