"""A person holds, resumes and aborts a rollout; the release's own tasks wait, go on or are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.rollout.conduct import LEASE_SLACK
from airflow_mlops.core.store import Store
from airflow_mlops.operators.control import RolloutControlOperator
from airflow_mlops.operators.rollout import ChallengeOperator, ConcludeReleaseOperator, PromoteOperator
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from airflow_mlops.triggers.rollout import RolloutTrigger
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

MODEL = world.MODEL
GATE = {"metric": "error_rate", "margin": 0.3}
STAGE = {"min_samples": 20, "max_duration": "1h", "gates": [GATE]}
TASKS = ["shadow", "judge_shadow", "canary", "judge_canary", "promote"]


def spec(**rollout: Any) -> ModelSpec:
    return world.spec(
        rollout={"shadow": STAGE, "canary": {**STAGE, "steps": [0.5]}, "max_hold": "2d", **rollout}
    )


@pytest.fixture
def release(store: Store) -> Run:
    """Its version 2 is in shadow beside version 1."""
    for number in (1, 2, 3):
        world.register(store, f"model {number}", run=f"r{number}", spec=spec())
    DeploymentLog(store, MODEL).promote(1, who="ann", why="first", run="orders.release/r1")
    run = Run("r2")
    run.xcoms["register", "return_value"] = {"model": MODEL, "version": 2}
    challenge(run)
    return run


def challenge(run: Run, weight: float = 0.0) -> Any:
    return run.execute(canary(weight))


def canary(weight: float = 0.5) -> ChallengeOperator:
    task_id = "canary" if weight else "shadow"
    return ChallengeOperator(task_id=task_id, spec=spec(), version=2, weight=weight, poll_interval=3)


def judge(run: Run, stage: Any = "shadow") -> Any:
    return run.execute(RolloutSensor(task_id=f"judge_{stage}", spec=spec(), stage=stage, version=2))


def control(action: str, run_id: str = "c1", reason: str = "a sale", **over: Any) -> Any:
    operator = RolloutControlOperator(task_id="control", spec=spec(), action=action, reason=reason, **over)
    return Run(run_id, "orders.rollout", "bob").execute(operator)


def conclude(run: Run) -> Any:
    return run.execute(ConcludeReleaseOperator(task_id="conclude", spec=spec(), tasks=TASKS))


def newest(store: Store) -> Deployment:
    found = DeploymentLog(store, MODEL).log.newest()
    assert found is not None
    return found[1]


def deferral(run: Run, operator: BaseOperator) -> TaskDeferred:
    """How the task hands over to the trigger."""
    with pytest.raises(TaskDeferred) as caught:
        run.execute(operator)
    assert isinstance(caught.value.trigger, RolloutTrigger)
    return caught.value


def event_of(deferred: TaskDeferred) -> dict[str, Any]:
    """What the trigger fires when it looks now."""
    trigger = deferred.trigger
    assert isinstance(trigger, RolloutTrigger)
    return {"status": "decided", "verdict": trigger._look().model_dump(mode="json")}


# --- the operator ---


def test_hold_and_resume_say_what_serves_and_until_when(
    release: Run, store: Store, endpoint: FakeEndpoint
) -> None:
    held = control("hold", "c1")
    assert held.pop("until") == newest(store).lease_until.isoformat()  # type: ignore[union-attr]
    assert held == {
        "model": MODEL,
        "action": "hold",
        "mode": "shadow",
        "champion": 1,
        "challenger": 2,
        "weight": 0.0,
        "held": True,
        "entry": 3,
    }
    assert (newest(store).who, newest(store).why) == ("bob", "a sale")
    resumed = control("resume", "c2")
    assert (resumed["held"], resumed["mode"], resumed["entry"]) == (False, "shadow", 4)
    assert endpoint.serves.number == 4
    assert control("hold", "c1")["entry"] == 4, "a retried task"


def test_an_abort_leaves_the_champion_alone(release: Run, endpoint: FakeEndpoint) -> None:
    told = control("abort", reason="complaints")
    assert told == {
        "model": MODEL,
        "action": "abort",
        "mode": "champion",
        "champion": 1,
        "challenger": None,
        "weight": 0.0,
        "held": False,
        "until": None,
        "entry": 3,
    }
    assert control("abort", reason="complaints") == told, "a retried task"
    assert (endpoint.serves.mode, endpoint.serves.champion) == ("champion", 1)


def test_the_durations_are_those_the_challenger_was_registered_with(release: Run, store: Store) -> None:
    """A release may override them, and the DAG file may have changed meanwhile."""
    hasty = spec(max_hold="1m", shadow={**STAGE, "max_duration": "1m"})
    for number, (action, lasts) in enumerate(
        [("hold", timedelta(days=2)), ("resume", timedelta(hours=1) + LEASE_SLACK)]
    ):
        operator = RolloutControlOperator(task_id="control", spec=hasty, action=action)
        Run(f"c{number}", "orders.rollout").execute(operator)
        entry = newest(store)
        assert entry.lease_until == entry.at + lasts
        assert entry.why == "asked for"


@pytest.mark.parametrize(
    "action, says",
    [
        ("stop", "no such action; given 'stop'; expected one of hold, resume, abort"),
        (None, "no such action; given None"),
    ],
)
def test_what_is_no_action(release: Run, store: Store, action: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        control(action)
    assert DeploymentLog(store, MODEL).log.last_number() == 2


@pytest.mark.parametrize("action", ["hold", "resume", "abort"])
def test_without_a_rollout_the_task_fails_at_once(release: Run, store: Store, action: str) -> None:
    conclude(release)
    with pytest.raises(AirflowFailException, match="no rollout of orders in progress"):
        control(action)
    assert DeploymentLog(store, MODEL).log.last_number() == 3


def test_an_endpoint_that_is_away_is_tried_again(release: Run, endpoint: FakeEndpoint) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException) as caught:
        control("hold")
    assert not isinstance(caught.value, AirflowFailException)
    endpoint.fault = None
    assert control("hold")["entry"] == 3


# --- the release meanwhile ---


def test_a_held_stage_waits_and_a_resumed_one_is_judged(release: Run) -> None:
    control("hold", "c1")
    sensor = RolloutSensor(task_id="judge_shadow", spec=spec(), stage="shadow", version=2)
    deferred = deferral(release, sensor)
    assert event_of(deferred)["verdict"]["decision"] == "CONTINUE"
    control("resume", "c2")
    told = release.resume(sensor, event_of(deferred))
    assert told["decision"] == "PROMOTE"


def test_a_hold_between_two_stages_stops_the_next_one(
    release: Run, store: Store, endpoint: FakeEndpoint
) -> None:
    judge(release)
    control("hold", "c1")
    deferred = deferral(release, canary())
    assert deferred.method_name == "resume"
    assert deferred.timeout == timedelta(days=2, hours=1, minutes=15)
    trigger = deferred.trigger
    assert isinstance(trigger, RolloutTrigger)
    assert (trigger.stage, trigger.version, trigger.run_key, trigger.poll_interval) == (
        "shadow",
        2,
        release.key,
        3,
    )
    assert (newest(store).action, ("canary", "refusal") in release.xcoms) == ("shadow", False)
    assert event_of(deferred)["verdict"]["held"]
    control("resume", "c2")
    placed = release.resume(canary(), event_of(deferred))
    assert placed == {"version": 2, "weight": 0.5, "entry": 5}
    assert endpoint.serves.mode == "canary"


def test_a_hold_after_the_last_verdict_stops_the_promotion(release: Run, store: Store) -> None:
    shadow = judge(release)
    challenge(release, 0.5)
    verdicts = [shadow, judge(release, "canary")]
    promote = PromoteOperator(task_id="promote", spec=spec(), version=2, verdicts=verdicts)
    control("hold", "c1")
    deferred = deferral(release, promote)
    assert DeploymentLog(store, MODEL).champion() == 1
    control("resume", "c2")
    event = event_of(deferred)
    control("hold", "c3")
    with pytest.raises(TaskDeferred):
        release.resume(promote, event)
    control("resume", "c4")
    assert release.resume(promote, event) == {"model": MODEL, "version": 2, "entry": 8}
    assert conclude(release)["outcome"] == "promoted"


def test_a_gate_that_fails_during_a_hold_between_stages_ends_the_release(
    release: Run, store: Store, endpoint: FakeEndpoint
) -> None:
    judge(release)
    control("hold")
    deferred = deferral(release, canary())
    endpoint.errors = 0.9
    with pytest.raises(AirflowFailException, match="ROLLBACK in shadow: failed: error_rate"):
        release.resume(canary(), event_of(deferred))
    told = conclude(release)
    assert (told["outcome"], told["task"], told["gate"]) == ("refused", "canary", "error_rate")
    assert (endpoint.serves.mode, endpoint.serves.champion) == ("champion", 1)


def test_an_undecided_stage_after_a_hold_between_stages_does_not_move_on(
    release: Run, endpoint: FakeEndpoint
) -> None:
    judge(release)
    control("hold", "c1")
    deferred = deferral(release, canary())
    endpoint.requests = 3
    control("resume", "c2")
    with pytest.raises(TaskDeferred):
        release.resume(canary(), event_of(deferred))


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_an_aborted_release_is_refused_with_who_and_why(
    release: Run, store: Store, endpoint: FakeEndpoint, stage: str
) -> None:
    if stage == "canary":
        judge(release)
        challenge(release, 0.5)
    control("abort", reason="complaints")
    with pytest.raises(AirflowFailException, match="rollback by bob: aborted: complaints"):
        judge(release, stage)
    told = conclude(release)
    assert (told["outcome"], told["champion"], told["task"]) == ("refused", 1, f"judge_{stage}")
    assert "rollback by bob: aborted: complaints" in told["reason"]
    assert newest(store).who == "bob", "the teardown had nothing left to do"
    with pytest.raises(AirflowFailException, match="rollback by bob: aborted: complaints"):
        challenge(release, 0.5)


def test_an_abort_while_the_next_stage_waits(release: Run) -> None:
    judge(release)
    control("hold", "c1")
    deferred = deferral(release, canary())
    control("abort", "c2", reason="complaints")
    with pytest.raises(AirflowFailException, match="rollback by bob: aborted: complaints"):
        release.resume(canary(), event_of(deferred))


def test_a_release_that_dies_while_it_is_held_gives_the_traffic_back(
    release: Run, endpoint: FakeEndpoint
) -> None:
    control("hold")
    assert conclude(release)["outcome"] == "refused"
    assert (endpoint.serves.mode, endpoint.serves.champion) == ("champion", 1)
