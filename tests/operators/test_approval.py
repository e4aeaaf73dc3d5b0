"""The task that asks people: once, by the rules of the version's spec, and found again by a retry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput, TaskDeferred

from airflow_mlops.core.monitoring.alerts.log import alert_log
from airflow_mlops.core.registry.approval.steps import step_log
from airflow_mlops.core.registry.approvals import ApprovalRecord, approval_log
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.operators.approval import ApproveOperator
from airflow_mlops.operators.rollout import BeginReleaseOperator, ChallengeOperator, PromoteOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.approval import approve
from airflow_mlops.triggers.approval import AnswerTrigger
from tests.core.registry import world
from tests.operators.world import Run

MODEL = world.MODEL
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
Asked = list[dict[str, Any]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What Airflow was asked to show, in order."""
    questions: Asked = []
    monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **fields: questions.append(fields))
    return questions


@pytest.fixture
def ground(store: Store, run: Run) -> Callable[..., Run]:
    """Version 1 is the champion; version 2 is registered by the run, with this approval."""

    def register(**approval: Any) -> Run:
        world.register(store, "model 1", run="r0")
        DeploymentLog(store, MODEL).promote(1, who="ann", why="first", run="release/r0")
        world.register(store, "model 2", run="r1", spec=world.spec(approval=approval))
        return run

    return register


def operator(person: int = 1, **arguments: Any) -> ApproveOperator:
    name = "approve_second" if person == 2 else "approve"
    return ApproveOperator(task_id=name, spec=world.spec(), version=2, person=person, **arguments)


def context_of(run: Run, task: ApproveOperator) -> Any:
    context = run.context(task)
    return {**context, "task_instance": SimpleNamespace(id=f"id of {task.task_id}")}


def ask(run: Run, person: int = 1, **arguments: Any) -> TaskAwaitingInput:
    task = operator(person, **arguments)
    with pytest.raises(TaskAwaitingInput) as parked:
        task.execute(context_of(run, task))
    return parked.value


def event(
    user: str, choice: str = "Approve", comment: str = "", minute: int = 0, **fields: Any
) -> dict[str, Any]:
    return {
        "chosen_options": [choice],
        "params_input": {"comment": comment},
        "responded_at": NOON + timedelta(minutes=minute),
        "responded_by_user": {"id": user, "name": user},
        "timedout": False,
        **fields,
    }


def answer(run: Run, given: dict[str, Any], person: int = 1) -> Any:
    task = operator(person)
    return task.execute_complete(context_of(run, task), given)


def record(store: Store) -> ApprovalRecord:
    ((_, one),) = approval_log(store, MODEL).entries()
    return one


def steps(store: Store) -> list[str]:
    return [one.step for _, one in step_log(store, MODEL).entries()]


def test_it_asks_with_the_evidence_and_goes_on_after_a_yes(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground(users=["bob", "cy"], timeout="2h")
    parked = ask(run)
    (question,) = asked
    assert (question["options"], question["subject"]) == (
        ["Approve", "Reject"],
        "May version 2 meet live requests?",
    )
    assert question["assigned_users"] == [{"id": "bob", "name": "bob"}, {"id": "cy", "name": "cy"}]
    assert timedelta(hours=1) < parked.timeout <= timedelta(hours=2)
    result = answer(run, event("bob", comment="fine"))
    assert (result["outcome"], result["reason"]) == ("approved", "approved by bob: fine")
    kept = record(store)
    assert (kept.run, kept.version, kept.reasons) == (
        run.key,
        2,
        ("the spec asks people about every version",),
    )
    assert get_bytes(store, str(kept.evidence)).decode() == question["body"]
    assert [(one.user, one.at, one.comment) for one in kept.answers] == [("bob", NOON, "fine")]


def test_the_answer_of_a_user_with_another_id_keeps_both(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground(users=["7"])
    ask(run)
    answer(run, event("bob", responded_by_user={"id": "7", "name": "bob"}))
    (said,) = record(store).answers
    assert (said.user, said.id) == ("bob", "7")


def test_a_retry_after_the_end_asks_nobody(store: Store, ground: Callable[..., Run], asked: Asked) -> None:
    run = ground()
    ask(run)
    first = answer(run, event("bob"))
    assert answer(run, event("bob")) == first
    assert run.execute(operator()) == first
    assert (len(asked), len(list(approval_log(store, MODEL).entries()))) == (1, 1)


def test_a_retry_while_it_waits_looks_for_the_answer_and_does_not_ask_anew(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground()
    ask(run)
    task = operator()
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context_of(run, task))
    trigger = deferred.value.trigger
    assert isinstance(trigger, AnswerTrigger)
    path, arguments = trigger.serialize()
    assert (path, arguments["ti_id"]) == ("airflow_mlops.triggers.approval.AnswerTrigger", "id of approve")
    assert deferred.value.method_name == "execute_complete"
    assert (len(asked), steps(store)) == (1, ["asked", "shown"])


def test_a_task_that_died_before_airflow_had_the_question_asks_the_same_again(
    store: Store, ground: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, asked: Asked
) -> None:
    run = ground()

    def die(**fields: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(hitl, "upsert_hitl_detail", die)
        task = operator()
        with pytest.raises(KeyboardInterrupt):
            task.execute(context_of(run, task))
    assert steps(store) == ["asked"]
    ask(run)
    assert steps(store) == ["asked", "shown"]


@pytest.mark.parametrize(
    "given, outcome, reason",
    [
        (event("bob", "Reject", "too\nrisky"), "rejected", "rejected by bob: too risky"),
        ({"error": "late", "error_type": "timeout"}, "expired", "nobody answered within 1d"),
    ],
)
def test_a_no_and_no_answer_are_final(
    store: Store, ground: Callable[..., Run], asked: Asked, given: Any, outcome: str, reason: str
) -> None:
    run = ground()
    ask(run)
    with pytest.raises(AirflowFailException, match="version 2 of orders is not approved"):
        answer(run, given)
    assert (record(store).outcome, record(store).reason) == (outcome, reason)
    assert (run.refusal("approve")["kind"], reason in run.refusal("approve")["reason"]) == (
        "NotApproved",
        True,
    )
    with pytest.raises(AirflowFailException, match=reason.split(":", maxsplit=1)[0]):
        run.execute(operator())
    assert len(asked) == 1


def test_two_people_say_yes_and_neither_started_it(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground(people=2)
    ask(run)
    with pytest.raises(TaskAwaitingInput):
        answer(run, event("ann"))  # ann started it
    assert answer(run, event("bob", minute=1))["outcome"] == "counted"
    assert answer(run, event("bob", minute=1))["outcome"] == "counted"
    assert list(approval_log(store, MODEL).entries()) == []
    ask(run, person=2)
    with pytest.raises(TaskAwaitingInput):
        answer(run, event("bob", minute=2), person=2)
    assert answer(run, event("cy", minute=3), person=2)["outcome"] == "approved"
    assert [one.user for one in record(store).answers] == ["bob", "cy"]
    assert {question["body"] for question in asked} == {asked[0]["body"]}
    assert steps(store) == ["asked", "shown", "left_out", "counted", "asked", "shown", "left_out"]


def test_the_second_no_ends_it(store: Store, ground: Callable[..., Run], asked: Asked) -> None:
    run = ground(people=2, users=["ann", "bob", "cy"])
    ask(run)
    answer(run, event("bob"))
    ask(run, person=2)
    assert asked[0]["assigned_users"] == [{"id": "bob", "name": "bob"}, {"id": "cy", "name": "cy"}]
    assert asked[1]["assigned_users"] == [{"id": "cy", "name": "cy"}]
    with pytest.raises(AirflowFailException):
        answer(run, event("cy", "Reject", minute=1), person=2)
    assert [(one.user, one.choice) for one in record(store).answers] == [("bob", "approve"), ("cy", "reject")]


def test_a_second_person_without_a_first_is_refused(ground: Callable[..., Run], asked: Asked) -> None:
    run = ground(people=2)
    with pytest.raises(AirflowFailException, match="the first person has not approved"):
        run.execute(operator(2))
    assert asked == []


def test_with_too_few_people_left_nobody_is_asked(ground: Callable[..., Run], asked: Asked) -> None:
    run = ground(people=2, users=["ann", "bob"])
    with pytest.raises(
        AirflowFailException, match="too few people are left to ask; given users ann, bob; ann"
    ):
        run.execute(operator())
    assert asked == []


@pytest.mark.parametrize(
    "given, why",
    [
        (event("bob", params_input={"note": "x"}), "does not match params"),
        (event("bob", params_input={"comment": 7}), "Invalid input for param comment"),
        ({"error": "comment is no text", "error_type": "validation"}, "comment is no text"),
        (event("bob", responded_by_user=None), "does not say who"),
        (event("eve"), "eve is none of the users who may answer: bob"),
    ],
)
def test_an_answer_that_does_not_count_is_noted_and_asked_again(
    store: Store, ground: Callable[..., Run], asked: Asked, given: Any, why: str
) -> None:
    run = ground(users=["bob"])
    ask(run)
    with pytest.raises(TaskAwaitingInput):
        answer(run, given)
    assert why in next(one.why for _, one in step_log(store, MODEL).entries() if one.step == "left_out")
    assert len(asked) == 2
    assert answer(run, event("bob", minute=1))["outcome"] == "approved"


def test_nobody_is_asked_where_no_reason_applies(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground(when=["first"])
    result = run.execute(operator())
    assert (result["outcome"], result["reason"]) == (
        "not_needed",
        "nobody had to be asked: no reason of the spec applies (first)",
    )
    assert (asked, record(store).evidence) == ([], None)


def test_people_are_told_once_that_an_answer_is_waited_for(
    store: Store, ground: Callable[..., Run], asked: Asked
) -> None:
    run = ground(users=["bob"])
    ask(run)
    ((_, told),) = alert_log(store, MODEL).entries()
    assert (told.alert.kind, told.delivered) == ("approval", True)
    assert "orders: version 2 waits for approval" in told.alert.text
    assert "Asked are bob" in told.alert.text
    with pytest.raises(TaskAwaitingInput):
        answer(run, event("eve"))
    assert len(list(alert_log(store, MODEL).entries())) == 1


def test_what_is_shown_is_no_template() -> None:
    assert not {"subject", "body"} & set(ApproveOperator.template_fields)


def test_the_tasks_stand_between_registration_and_rollout() -> None:
    spec = world.spec(approval={"people": 2})
    with DAG("d"):
        register = BeginReleaseOperator(task_id="register", spec=spec)
        tasks = approve(spec, register, {"spec": spec})
        assert approve(world.spec(), register, {"spec": spec}) == ()
    assert [one.task_id for one in tasks] == ["approve", "approve_second"]
    assert tasks[0].upstream_task_ids == {"register"}
    assert tasks[1].upstream_task_ids == {"register", "approve"}


def test_without_approval_nothing_meets_live_requests(ground: Callable[..., Run], asked: Asked) -> None:
    run = ground()
    for task in (
        ChallengeOperator(task_id="shadow", spec=world.spec(), version=2),
        PromoteOperator(task_id="promote", spec=world.spec(), version=2),
    ):
        with pytest.raises(AirflowFailException, match="nobody was asked about version 2 of orders"):
            run.execute(task)
    ask(run)
    answer(run, event("bob"))
    assert run.execute(ChallengeOperator(task_id="shadow", spec=world.spec(), version=2))["entry"] == 2


def test_begin_refuses_to_ask_others(store: Store, run: Run) -> None:
    spec = world.spec(approval="required")
    for overrides in ({"approval": None}, {"approval": {"users": ["eve"]}}):
        with pytest.raises(AirflowFailException, match="overrides can't change approval"):
            run.execute(BeginReleaseOperator(task_id="begin", spec=spec, overrides=overrides))
    assert ModelSpec(**run.execute(BeginReleaseOperator(task_id="begin", spec=spec))) == spec
