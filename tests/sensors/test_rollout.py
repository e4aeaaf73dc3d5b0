"""The sensor looks before it defers, takes up what the trigger saw, and succeeds on PROMOTE alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, TaskDeferred

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.registry.deployments import DeploymentLog
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
    assert told["reason"].startswith("all gates passed with 300 samples")
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
