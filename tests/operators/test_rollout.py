"""The operators that move traffic: each run twice, each refused, and the one result object of a release."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_mlops.core.audit import head
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep, recall
from airflow_mlops.operators.rollout import (
    BeginReleaseOperator,
    ChallengeOperator,
    ConcludeReleaseOperator,
    PromoteOperator,
    ReconcileOperator,
    RollbackOperator,
    number_of,
)
from airflow_mlops.sensors.rollout import RolloutSensor
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

MODEL = world.MODEL
SHADOW = {"min_samples": 50, "gates": [{"metric": "error_rate", "margin": 0.3}]}
CANARY = {"steps": [0.5], "min_samples": 20, "gates": [{"metric": "error_rate", "max": 0.5}]}
TASKS = ["begin", "validate", "evaluate", "register", "shadow", "judge_shadow", "promote"]


def spec(**sections: Any) -> ModelSpec:
    rollout = {"shadow": SHADOW, "canary": CANARY}
    return world.spec(**{"rollout": rollout, "serving": {"fallback": {"default": 0.5}}, **sections})


@pytest.fixture
def ground(store: Store) -> Store:
    """Three versions; version 1 is the champion."""
    for number in (1, 2, 3):
        world.register(store, f"model {number}", run=f"r{number}", spec=spec())
    DeploymentLog(store, MODEL).promote(1, who="ann", why="first", run="orders.release/r1")
    return store


@pytest.fixture
def release() -> Run:
    """The run that registered version 2."""
    run = Run("r2")
    run.xcoms["register", "return_value"] = {"model": MODEL, "version": 2}
    return run


def log_of(store: Store) -> list[tuple[str, int | None, int | None]]:
    return [(e.action, e.champion, e.challenger) for _, e in DeploymentLog(store, MODEL).log.entries()]


def challenge(run: Run, weight: float = 0.0, version: Any = 2, **arguments: Any) -> Any:
    name = f"canary_{weight:g}" if weight else "shadow"
    operator = ChallengeOperator(task_id=name, spec=spec(), version=version, weight=weight, **arguments)
    return run.execute(operator)


def judge(run: Run, stage: Any = "shadow", version: int = 2) -> Any:
    return run.execute(RolloutSensor(task_id=f"judge_{stage}", spec=spec(), stage=stage, version=version))


def roll_out(run: Run, version: int = 2) -> list[Any]:
    challenge(run, 0.0, version)
    shadow = judge(run, "shadow", version)
    challenge(run, 0.5, version)
    return [shadow, judge(run, "canary", version)]


def promote(run: Run, verdicts: Any, version: Any = 2) -> Any:
    return run.execute(PromoteOperator(task_id="promote", spec=spec(), version=version, verdicts=verdicts))


def conclude(run: Run) -> Any:
    return run.execute(ConcludeReleaseOperator(task_id="conclude", spec=spec(), tasks=TASKS))


# --- begin ---


def test_begin_pins_the_spec_with_its_overrides(ground: Store, release: Run) -> None:
    overrides = {"training": {"rounds": 7}}
    pinned = release.execute(BeginReleaseOperator(task_id="begin", spec=spec(), overrides=overrides))
    assert ModelSpec(**pinned) == spec(training={"rounds": 7})
    assert ModelSpec(**release.execute(BeginReleaseOperator(task_id="begin", spec=spec()))) == spec()
    assert len(log_of(ground)) == 1


@pytest.mark.parametrize(
    "overrides, says",
    [
        ({"training": {"round": 7}}, "training.round: unknown field; did you mean rounds?"),
        ({"name": "other"}, "name can't be overridden"),
        ("training", "overrides are no mapping; given 'training'"),
        (
            {"rollout": {"shadow": None}},
            "the DAG has a task for each; given canary 0.5; expected shadow, canary 0.5; change the spec itself",
        ),
        ({"rollout": {"canary": {"steps": [0.1]}}}, "can't change the stages of a rollout"),
        (
            {"privacy": {}},
            "can't change which steps the data take: the DAG has a task for each; given protect",
        ),
        ({"labels": {"review": "r"}}, "given apply_review, audit_labels; expected none"),
        (
            {"rollout": {"shadow": {"gates": [{"metric": "auc", "min": 0.5}]}}},
            "auc can't be judged on live traffic",
        ),
        (
            {"training": {"objective": "regression"}},
            "auc can't be measured on the test part of a regression model",
        ),
    ],
)
def test_begin_refuses_wrong_overrides(ground: Store, release: Run, overrides: Any, says: str) -> None:
    with pytest.raises(AirflowFailException) as caught:
        release.execute(BeginReleaseOperator(task_id="begin", spec=spec(), overrides=overrides))
    assert says in str(caught.value)
    assert release.refusal("begin")["kind"] == "SpecError"


def test_begin_tries_again_when_the_endpoint_is_away(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException) as caught:
        release.execute(BeginReleaseOperator(task_id="begin", spec=spec()))
    assert not isinstance(caught.value, AirflowFailException)


def test_begin_refuses_on_the_fallback_rule(ground: Store, release: Run) -> None:
    Run("rollback").execute(RollbackOperator(task_id="rollback", spec=spec(), fallback=True, reason="off"))
    with pytest.raises(AirflowFailException, match=r"on its fallback rule.*roll back to a champion first"):
        release.execute(BeginReleaseOperator(task_id="begin", spec=spec()))


# --- a whole release, and again ---


def test_a_release_in_which_every_task_runs_twice(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    placed = challenge(release)
    assert placed == {"version": 2, "weight": 0.0, "entry": 2}
    assert challenge(release) == placed
    shadow = judge(release)
    assert judge(release)["decision"] == shadow["decision"] == "PROMOTE"
    assert challenge(release, 0.5) == challenge(release, 0.5) == {"version": 2, "weight": 0.5, "entry": 3}
    canary = judge(release, "canary")
    promoted = promote(release, [shadow, canary])
    assert promote(release, [shadow, canary]) == promoted == {"model": MODEL, "version": 2, "entry": 4}
    told = conclude(release)
    assert conclude(release) == told
    assert told.pop("audit") == head(ground, MODEL)
    assert told == {
        "model": MODEL,
        "outcome": "promoted",
        "version": 2,
        "champion": 2,
        "task": None,
        "kind": None,
        "gate": None,
        "value": None,
        "limit": None,
        "reason": "every gate passed",
        "quarantined_rows": 0,
    }
    assert log_of(ground) == [("promote", 1, None), ("shadow", 1, 2), ("canary", 1, 2), ("promote", 2, None)]
    assert Registry(ground, MODEL).numbers() == (1, 2, 3)
    assert endpoint.serves.champion == 2


def test_a_cleared_release_that_was_promoted_skips_its_rollout(ground: Store, release: Run) -> None:
    promote(release, roll_out(release))
    conclude(release)
    before = log_of(ground)
    release.xcoms = {("register", "return_value"): {"model": MODEL, "version": 2}}
    release.execute(BeginReleaseOperator(task_id="begin", spec=spec()))
    for weight in (0.0, 0.5):
        with pytest.raises(AirflowSkipException, match="nothing to prove"):
            challenge(release, weight)
    assert promote(release, [None, None])["version"] == 2
    assert conclude(release)["outcome"] == "promoted"
    assert log_of(ground) == before


def test_the_first_version_has_no_rival(store: Store, run: Run) -> None:
    world.register(store, spec=spec())
    with pytest.raises(AirflowSkipException, match="orders has no champion"):
        challenge(run, version=1)
    run.xcoms["register", "return_value"] = {"model": MODEL, "version": 1}
    assert promote(run, [None, None], version={"model": MODEL, "version": 1})["version"] == 1
    assert conclude(run)["outcome"] == "promoted"


# --- refusals ---


def test_a_bad_challenger_is_refused_with_gate_value_and_limit(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    endpoint.errors = 0.9
    challenge(release)
    with pytest.raises(AirflowFailException, match="ROLLBACK in shadow: failed: error_rate"):
        judge(release)
    told = conclude(release)
    assert (told["outcome"], told["version"], told["champion"]) == ("refused", 2, 1)
    assert (told["task"], told["kind"], told["gate"], told["limit"]) == (
        "judge_shadow",
        "GateFailed",
        "error_rate",
        0.3,
    )
    assert told["value"] == pytest.approx(0.9)
    assert log_of(ground)[-1] == ("rollback", 1, None)
    assert (endpoint.serves.mode, endpoint.serves.champion) == ("champion", 1)
    assert conclude(release) == told, "concluded once more"
    assert len(log_of(ground)) == 3


def test_a_rollback_during_the_rollout_ends_it(ground: Store, endpoint: FakeEndpoint, release: Run) -> None:
    verdicts = roll_out(release)
    back = RollbackOperator(task_id="rollback", spec=spec(), to=1, reason="complaints")
    assert Run("rb", "orders.rollback", "bob").execute(back)["champion"] == 1
    with pytest.raises(
        AirflowFailException, match="not the challenger any more: rollback by bob: complaints"
    ):
        judge(release, "canary")
    with pytest.raises(AirflowFailException, match="rollback by bob: complaints"):
        promote(release, verdicts)
    with pytest.raises(AirflowFailException, match="start a new release"):
        challenge(release, 0.5)
    assert conclude(release)["outcome"] == "refused"
    assert endpoint.serves.champion == 1
    assert log_of(ground)[-1] == ("rollback", 1, None)


@pytest.mark.parametrize("verdicts", [[], None, [None, None]])
def test_no_verdicts_no_promotion(ground: Store, release: Run, verdicts: Any) -> None:
    challenge(release, 0.5)
    with pytest.raises(
        AirflowFailException, match=r"lacks evidence; given no verdict; expected shadow, canary at 0.5"
    ):
        promote(release, verdicts)
    assert DeploymentLog(ground, MODEL).champion() == 1


def test_a_stage_that_was_marked_by_hand_is_no_evidence(ground: Store, release: Run) -> None:
    _, canary = roll_out(release)
    with pytest.raises(AirflowFailException, match=r"given canary at 0.5; expected shadow, canary at 0.5"):
        promote(release, [None, canary])
    assert DeploymentLog(ground, MODEL).champion() == 1


def test_evidence_can_not_be_replayed(ground: Store, release: Run) -> None:
    verdicts = roll_out(release)
    conclude(release)
    other = Run("r3")
    challenge(other, 0.5, version=3)
    with pytest.raises(AirflowFailException, match="given shadow of version 2"):
        promote(other, verdicts, version=3)
    conclude(other)
    again = Run("r4")
    challenge(again, 0.5, version=2)
    with pytest.raises(AirflowFailException, match=r"given shadow of run orders.release/r2"):
        promote(again, verdicts)
    assert DeploymentLog(ground, MODEL).champion() == 1


def test_a_verdict_of_a_release_before_verdicts_said_what_they_are_about_is_none(
    ground: Store, release: Run
) -> None:
    verdicts = roll_out(release)
    old = recall(ground, verdicts[0]["ref"], Verdict).model_copy(
        update={"version": None, "run": None, "deployment": None}
    )
    with pytest.raises(AirflowFailException, match="shadow of version None"):
        promote(release, [{"ref": keep(ground, old)}, verdicts[1]])


@pytest.mark.parametrize(
    "verdicts, says", [([{"reference": "x"}], "verdict is not a stage's result"), (["x"], "given 'x'")]
)
def test_what_is_no_verdict(ground: Store, release: Run, verdicts: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        promote(release, verdicts)


def test_the_stages_that_count_are_those_the_version_was_registered_with(ground: Store, release: Run) -> None:
    """A DAG file that lost its canary meanwhile does not make a promotion cheaper."""
    verdicts = roll_out(release)
    cheap = spec(rollout={"shadow": SHADOW})
    with pytest.raises(AirflowFailException, match="lacks evidence"):
        release.execute(PromoteOperator(task_id="promote", spec=cheap, version=2, verdicts=verdicts[:1]))


def test_an_endpoint_that_can_not_load_the_challenger(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    endpoint.refuses = lambda desired: desired.challenger == 2
    with pytest.raises(AirflowFailException, match="can't load it"):
        challenge(release)
    told = conclude(release)
    assert (told["outcome"], told["task"], told["kind"]) == ("refused", "shadow", "DeploymentFailed")
    assert log_of(ground)[-1] == ("rollback", 1, None)


@pytest.mark.parametrize("version", [None, "two", {"model": "orders"}, True, 2.5, [2]])
def test_what_is_no_version(ground: Store, release: Run, version: Any) -> None:
    with pytest.raises(AirflowFailException, match="version is not a number; given"):
        challenge(release, version=version)


def test_a_version_in_all_its_forms() -> None:
    assert [number_of(one) for one in (3, "3", {"version": 3}, {"version": "3"})] == [3, 3, 3, 3]


def test_a_version_that_is_not_there(ground: Store, release: Run) -> None:
    for refused in (lambda: challenge(release, version=9), lambda: promote(release, [], version=9)):
        with pytest.raises(AirflowFailException, match="orders has no version 9; expected 1 to 3"):
            refused()


# --- conclude ---


def test_a_release_that_died_before_anything(store: Store, endpoint: FakeEndpoint, run: Run) -> None:
    told = conclude(run)
    assert told.pop("audit") == head(store, MODEL)
    assert told == {
        "model": MODEL,
        "outcome": "refused",
        "version": None,
        "champion": None,
        "task": None,
        "kind": None,
        "gate": None,
        "value": None,
        "limit": None,
        "reason": "the release did not finish",
        "quarantined_rows": 0,
    }
    assert endpoint.asked == []
    assert log_of(store) == []


def test_a_release_that_died_in_the_midst_of_its_canary(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    challenge(release, 0.5)
    told = conclude(release)
    assert (told["outcome"], told["version"], told["reason"]) == ("refused", 2, "the release did not finish")
    assert (endpoint.serves.mode, endpoint.serves.champion) == ("champion", 1)


def test_a_release_that_died_right_after_the_promotion_was_promoted(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    """The entry stands in the log, but the task was killed before it could tell anybody."""
    verdicts = roll_out(release)
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException):
        promote(release, verdicts)
    endpoint.fault = None
    told = conclude(release)
    assert (told["outcome"], told["version"], told["champion"]) == ("promoted", 2, 2)
    assert endpoint.serves.champion == 2


def test_bad_data_are_in_the_result(ground: Store, run: Run) -> None:
    run.xcoms["validate", "validation"] = {"quarantined_rows": 17}
    refusal = {"kind": "ValidationFailed", "reason": "nulls", "gate": None, "value": None, "limit": None}
    run.xcoms["validate", "refusal"] = {"task": "validate", **refusal}
    told = conclude(run)
    assert (told["outcome"], told["task"], told["quarantined_rows"]) == ("refused", "validate", 17)


def test_the_result_is_there_though_the_endpoint_is_not(
    ground: Store, endpoint: FakeEndpoint, release: Run
) -> None:
    endpoint.errors = 0.9
    challenge(release)
    with pytest.raises(AirflowFailException):
        judge(release)
    endpoint.fault = EndpointError("nobody answers")
    with pytest.raises(AirflowException) as caught:
        conclude(release)
    assert not isinstance(caught.value, AirflowFailException), "tried again"
    told = release.xcoms["conclude", "return_value"]
    assert (told["outcome"], told["gate"], told["champion"]) == ("refused", "error_rate", 1)
    assert log_of(ground)[-1] == ("rollback", 1, None), "the challenger is out all the same"


# --- rollback and reconcile ---


def rollback(run_id: str, **arguments: Any) -> Any:
    operator = RollbackOperator(task_id="rollback", spec=spec(), **arguments)
    return Run(run_id, "orders.rollback", "bob").execute(operator)


def test_rollback_and_its_retry(ground: Store, release: Run, endpoint: FakeEndpoint) -> None:
    promote(release, roll_out(release))
    told = rollback("one", reason="complaints")
    assert told == {"model": MODEL, "champion": 1, "mode": "champion", "entry": 5}
    assert rollback("one", reason="complaints") == told
    assert endpoint.serves.champion == 1
    assert len(log_of(ground)) == 5
    newest = DeploymentLog(ground, MODEL).log.newest()
    assert newest is not None
    assert (newest[1].who, newest[1].why) == ("bob", "complaints")


@pytest.mark.parametrize("to", [2, "2", {"version": 2}])
def test_rollback_to_a_named_version(ground: Store, to: Any) -> None:
    assert rollback("one", to=to)["champion"] == 2


@pytest.mark.parametrize("to", [None, "", "None"])
def test_rollback_to_the_champion_before(ground: Store, release: Run, to: Any) -> None:
    promote(release, roll_out(release))
    assert rollback("one", to=to)["champion"] == 1


@pytest.mark.parametrize("fallback, mode", [(True, "fallback"), ("True", "fallback"), ("true", "fallback")])
def test_rollback_to_the_fallback_rule(ground: Store, fallback: Any, mode: str) -> None:
    assert rollback("one", fallback=fallback)["mode"] == mode


@pytest.mark.parametrize("fallback", [False, "False", "false", None, "None", ""])
def test_what_a_template_made_of_false_is_no_fallback(ground: Store, fallback: Any) -> None:
    assert rollback("one", to=1, fallback=fallback)["mode"] == "champion"


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"fallback": "maybe"}, "fallback is not a boolean; given 'maybe'; expected true or false"),
        ({"to": "the last one"}, "version is not a number"),
        ({"to": 99}, "orders has no version 99"),
        ({}, "orders has no champion before version 1"),
    ],
)
def test_wrong_rollbacks_change_nothing(ground: Store, arguments: dict[str, Any], says: str) -> None:
    before = log_of(ground)
    with pytest.raises(AirflowFailException, match=says):
        rollback("one", **arguments)
    assert log_of(ground) == before


def test_a_rollback_is_tried_again_when_the_endpoint_does_not_follow(
    ground: Store, endpoint: FakeEndpoint
) -> None:
    endpoint.refuses = lambda desired: True
    with pytest.raises(AirflowException) as caught:
        rollback("one", to=1)
    assert not isinstance(caught.value, AirflowFailException)
    endpoint.refuses = lambda desired: False
    assert rollback("one", to=1)["entry"] == 2


def test_reconcile_heals_the_endpoint(ground: Store, endpoint: FakeEndpoint, run: Run) -> None:
    told = run.execute(ReconcileOperator(task_id="reconcile", spec=spec()))
    assert told == {"model": MODEL, "champion": 1, "mode": "champion", "entry": 1}
    assert endpoint.serves.champion == 1


def test_reconcile_before_the_first_release(store: Store, endpoint: FakeEndpoint, run: Run) -> None:
    told = run.execute(ReconcileOperator(task_id="reconcile", spec=spec()))
    assert told == {"model": MODEL, "champion": None, "mode": "fallback", "entry": 0}
    assert endpoint.asked == []
