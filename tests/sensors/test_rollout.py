"""The sensor looks before it defers, takes up what the trigger saw, and succeeds on PROMOTE alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry import deployments
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.rollout import conduct
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.rollout import ChallengeOperator
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from airflow_mlops.triggers.rollout import RolloutTrigger
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

GATE = {"metric": "error_rate", "margin": 0.3}
ROLLOUT = {"shadow": {"min_samples": 50, "max_duration": "1h", "gates": [GATE]}}
JUDGE = "judge_shadow"


def spec(**shadow: Any) -> ModelSpec:
    return world.spec(rollout={"shadow": {**ROLLOUT["shadow"], **shadow}})


@pytest.fixture
def challenger(store: Store, run: Run) -> Run:
    """Version 2 is in shadow beside version 1."""
    for number in (1, 2):
        world.register(store, f"model {number}", run=f"r{number}", spec=spec())
    DeploymentLog(store, world.MODEL).promote(1, who="ann", why="first", run="orders.release/r0")
    run.execute(ChallengeOperator(task_id="shadow", spec=spec(), version=2))
    return run


def sensor(spec: ModelSpec = spec(), **arguments: Any) -> RolloutSensor:  # noqa: B008
    return RolloutSensor(task_id=JUDGE, spec=spec, stage="shadow", version={"version": 2}, **arguments)


def verdict(decision: Any, *outcomes: Any) -> dict[str, Any]:
    """The trigger's event."""
    gates = tuple(
        GateResult(gate=Gate(metric="error_rate", margin=0.3), outcome=one, value=0.4, limit=0.3, reason="r")
        for one in outcomes
    )
    said = Verdict(
        stage="shadow", decision=decision, reason="because", gates=gates, counts={"samples": 7}, alpha=0.05
    )
    return {"status": "decided", "verdict": said.model_dump(mode="json")}


def test_what_is_decided_is_not_waited_for(challenger: Run, store: Store) -> None:
    told = challenger.execute(sensor())
    assert (told["decision"], told["stage"]) == ("PROMOTE", "shadow")
    assert told["reason"].startswith("all gates passed with 600 samples")
    kept = recall(store, told["ref"], Verdict)
    assert (kept.version, kept.run, kept.deployment) == (2, challenger.key, 2)
    assert challenger.xcoms[JUDGE, "verdict"] == told


def test_it_defers_while_the_judge_is_undecided(challenger: Run, endpoint: FakeEndpoint) -> None:
    endpoint.requests = 3
    with pytest.raises(TaskDeferred) as caught:
        challenger.execute(sensor(poll_interval=7))
    deferred = caught.value
    assert deferred.method_name == "resume"
    assert deferred.timeout == timedelta(days=7, hours=1, minutes=15), "the stage, and one hold"
    assert isinstance(deferred.trigger, RolloutTrigger)
    path, arguments = deferred.trigger.serialize()
    assert path == "airflow_mlops.triggers.rollout.RolloutTrigger"
    assert arguments == {
        "spec": spec().to_dict(),
        "mlops_conn_id": "mlops_default",
        "run": challenger.key,
        "stage": "shadow",
        "version": 2,
        "poll_interval": 7,
    }
    assert (JUDGE, "refusal") not in challenger.xcoms


def test_a_failed_gate_fails_the_task_with_gate_value_and_limit(
    challenger: Run, endpoint: FakeEndpoint
) -> None:
    endpoint.errors = 0.9
    with pytest.raises(AirflowFailException, match=r"ROLLBACK in shadow: failed: error_rate is 0.9"):
        challenger.execute(sensor())
    refusal = challenger.refusal(JUDGE)
    assert (refusal["gate"], refusal["limit"]) == ("error_rate", 0.3)
    assert refusal["value"] == pytest.approx(0.9)
    assert challenger.xcoms[JUDGE, "verdict"]["decision"] == "ROLLBACK"


def test_a_challenger_that_was_taken_out_fails_the_task(challenger: Run, store: Store) -> None:
    DeploymentLog(store, world.MODEL).rollback(to=1, who="bob", why="complaints", run="rb")
    with pytest.raises(
        AirflowFailException, match="not the challenger any more: rollback by bob: complaints"
    ):
        challenger.execute(sensor())
    assert challenger.refusal(JUDGE)["gate"] is None


def test_resume_with_promote(challenger: Run, store: Store) -> None:
    told = challenger.resume(sensor(), verdict("PROMOTE", "pass"))
    assert told["decision"] == "PROMOTE"
    assert recall(store, told["ref"], Verdict).counts == {"samples": 7}
    assert challenger.resume(sensor(), verdict("PROMOTE", "pass")) == told


@pytest.mark.parametrize("decision", ["ROLLBACK", "INCONCLUSIVE", "CONTINUE"])
def test_resume_with_anything_else_fails(challenger: Run, decision: str) -> None:
    with pytest.raises(AirflowFailException, match=f"{decision} in shadow: because"):
        challenger.resume(sensor(), verdict(decision, "inconclusive", "fail", "pass"))
    assert challenger.refusal(JUDGE) == {
        "task": JUDGE,
        "kind": "GateFailed",
        "reason": f"{decision} in shadow: because",
        "gate": "error_rate",
        "value": 0.4,
        "limit": 0.3,
    }
    assert challenger.xcoms[JUDGE, "verdict"]["decision"] == decision


def test_resume_when_the_rollout_can_not_be_judged(challenger: Run) -> None:
    event = {"status": "failed", "message": "no such stage", "passing": False}
    with pytest.raises(AirflowFailException, match="rollout can't be judged: no such stage"):
        challenger.resume(sensor(), event)
    assert challenger.refusal(JUDGE)["kind"] == "MlopsError"


def test_resume_after_an_outage_may_be_tried_again(challenger: Run) -> None:
    event = {"status": "failed", "message": "nobody answers", "passing": True}
    with pytest.raises(AirflowException, match="rollout can't be judged: nobody answers") as caught:
        challenger.resume(sensor(), event)
    assert not isinstance(caught.value, AirflowFailException)


# --- rollout.inconclusive: hold ---


PATIENT = world.spec(rollout={**ROLLOUT, "inconclusive": "hold", "max_hold": "2d"})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Moves on the time of the deployment log and the conductor."""
    ahead = timedelta(0)

    def advance(by: timedelta) -> None:
        nonlocal ahead
        ahead += by

    for module in (deployments, conduct):
        monkeypatch.setattr(module, "utc_now", lambda: datetime.now(timezone.utc) + ahead)
    return advance


@pytest.fixture
def undecided(challenger: Run, endpoint: FakeEndpoint, clock: Callable[[timedelta], None]) -> Run:
    """The longest duration of the stage is over after three requests."""
    endpoint.requests = 3
    clock(timedelta(hours=1))
    return challenger


def waits(run: Run) -> dict[str, Any]:
    """The task defers; what its trigger sees when it looks next."""
    with pytest.raises(TaskDeferred) as caught:
        run.execute(sensor(PATIENT))
    return seen(caught.value)


def seen(deferred: TaskDeferred) -> dict[str, Any]:
    assert isinstance(deferred.trigger, RolloutTrigger)
    assert deferred.timeout == timedelta(days=2, hours=1, minutes=15)
    return {"status": "decided", "verdict": deferred.trigger._look().model_dump(mode="json")}


def newest(store: Store) -> Deployment:
    found = DeploymentLog(store, world.MODEL).log.newest()
    assert found is not None
    return found[1]


def test_an_undecided_stage_fails_without_the_policy(undecided: Run) -> None:
    with pytest.raises(AirflowFailException, match="INCONCLUSIVE in shadow: the longest duration is over"):
        undecided.execute(sensor())


def test_an_undecided_stage_is_held_and_waits_for_a_person(
    undecided: Run, store: Store, endpoint: FakeEndpoint
) -> None:
    event = waits(undecided)
    entry = newest(store)
    assert (entry.held, entry.who, entry.lease_until) == (True, "judge", entry.at + timedelta(days=2))
    assert entry.why.startswith("the longest duration is over: 3 of at least 50 samples")
    assert endpoint.serves.number == 3
    assert event["verdict"]["decision"] == "CONTINUE"
    assert event["verdict"]["reason"].startswith("held by judge since ")
    waits(undecided)
    assert newest(store) == entry, "a retried task holds once"


def test_an_undecided_stage_is_held_by_what_the_trigger_saw(
    challenger: Run, store: Store, endpoint: FakeEndpoint, clock: Callable[[timedelta], None]
) -> None:
    endpoint.requests = 3
    with pytest.raises(TaskDeferred) as caught:
        challenger.execute(sensor(PATIENT))
    clock(timedelta(hours=1))
    event = seen(caught.value)
    assert event["verdict"]["decision"] == "INCONCLUSIVE"
    with pytest.raises(TaskDeferred) as again:
        challenger.resume(sensor(PATIENT), event)
    assert newest(store).who == "judge"
    assert seen(again.value)["verdict"]["held"]
    assert (JUDGE, "refusal") not in challenger.xcoms


def test_a_resumed_stage_gets_its_time_anew_and_may_pass(
    undecided: Run, store: Store, endpoint: FakeEndpoint, clock: Callable[[timedelta], None]
) -> None:
    waits(undecided)
    clock(timedelta(hours=30))
    DeploymentLog(store, world.MODEL).resume(
        lease=timedelta(hours=2), who="bob", why="wait for more", run="orders.rollout/1"
    )
    assert waits(undecided)["verdict"]["decision"] == "CONTINUE"
    endpoint.requests = 600
    told = undecided.execute(sensor(PATIENT))
    assert told["decision"] == "PROMOTE"
    kept = recall(store, told["ref"], Verdict)
    assert (kept.deployment, kept.held) == (2, False)


def test_a_hold_that_nobody_resumed_fails_the_task(
    undecided: Run, store: Store, clock: Callable[[timedelta], None]
) -> None:
    waits(undecided)
    clock(timedelta(days=2))
    with pytest.raises(
        AirflowFailException,
        match=r"ROLLBACK in shadow: version 2 was held by judge since .* nobody resumed it before",
    ):
        undecided.execute(sensor(PATIENT))
    assert DeploymentLog(store, world.MODEL).desired().mode == "champion"


def test_an_endpoint_that_does_not_follow_the_hold_is_tried_again(
    undecided: Run, store: Store, endpoint: FakeEndpoint
) -> None:
    endpoint.refuses = lambda desired: desired.number == 3
    with pytest.raises(AirflowException) as caught:
        undecided.execute(sensor(PATIENT))
    assert not isinstance(caught.value, AirflowFailException)
    endpoint.refuses = lambda desired: False
    assert waits(undecided)["verdict"]["held"]
    assert DeploymentLog(store, world.MODEL).log.last_number() == 3


def test_an_endpoint_that_is_away_is_tried_again(challenger: Run, endpoint: FakeEndpoint) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException) as caught:
        challenger.execute(sensor())
    assert not isinstance(caught.value, AirflowFailException)


def test_a_stage_that_the_spec_does_not_have(challenger: Run) -> None:
    shadowless = world.spec(rollout={"canary": {"gates": [GATE]}})
    with pytest.raises(
        AirflowFailException, match=r"rollout has no shadow stage; add rollout.shadow to the spec"
    ):
        challenger.execute(sensor(shadowless))


def test_a_wrong_version(challenger: Run) -> None:
    with pytest.raises(AirflowFailException, match="version is not a number"):
        challenger.execute(RolloutSensor(task_id=JUDGE, spec=spec(), stage="shadow", version=None))
