"""Why people are asked: each reason by what the records say; what can't be told is a reason."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.report import SliceMetrics
from airflow_mlops.core.registry.approval.case import Case
from airflow_mlops.core.registry.approval.rules import reasons_to_ask, worse
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult
from airflow_mlops.spec.governance import Approval
from tests.core.registry import world
from tests.core.registry.approval.cases import case, validation


def asked(rule: Any, given: Case) -> tuple[str, ...]:
    return reasons_to_ask(Approval(when=(rule,)), given)


def found(severity: Any, success: bool) -> ValidationResult:
    one = ExpectationResult(
        type="expect_late", column="late", severity=severity, success=success, reason="3 of 9"
    )
    return validation(one)


def slices(**champion: Any) -> dict[str, Any]:
    one = SliceMetrics(slice="carrier=UA", rows=9, metrics={"auc": 0.7}, **champion)
    return {"slices": (one,), "champion_version": 1, "champion": {"auc": 0.8}}


def test_always_asks() -> None:
    assert reasons_to_ask(Approval(), case()) == ("the spec asks people about every version",)


@pytest.mark.parametrize(
    "rule, given, says",
    [
        ("first", {"champion": None}, "no champion yet"),
        ("worse", {"champion_version": 1, "champion": {"auc": 0.81}}, "version 1, in auc"),
        ("worse", {"champion_version": None}, "not compared with the champion, version 1"),
        ("worse", {"champion_version": 7, "champion": {"auc": 0.5}}, "not compared with the champion"),
        ("warnings", {"validation": found("warn", False)}, "expect_late on late"),
        ("warnings", {"validation": found("drop", False)}, "expect_late on late"),
        ("warnings", {"validation": None}, "nothing has tested its data"),
        ("slices", slices(champion={"auc": 0.71}), "in the slices carrier=UA"),
        ("slices", slices(), "slices that were not compared with the champion's: carrier=UA"),
        ("slices", {"champion_version": None}, "slices were not compared"),
        ("shaped", {"shaped": 0.25}, "up to 25% of its rows"),
        ("shaped", {"shaped": None}, "nobody has looked"),
        ("spec", {"spec": world.spec(training={"rounds": 7})}, "version 1: training"),
    ],
)
def test_a_reason(rule: Any, given: dict[str, Any], says: str) -> None:
    (reason,) = asked(rule, case(**given))
    assert says in reason


@pytest.mark.parametrize(
    "rule, given",
    [
        ("first", {}),
        ("worse", {"champion_version": 1, "champion": {"auc": 0.8}}),
        ("worse", {"champion": None}),
        ("warnings", {"validation": found("warn", True)}),
        ("slices", slices(champion={"auc": 0.7})),
        ("slices", {"champion_version": 1, "champion": {"auc": 0.8}}),
        ("slices", {"champion": None}),
        ("shaped", {"shaped": 0.0}),
        ("spec", {}),
        ("spec", {"champion": None}),
    ],
)
def test_no_reason(rule: Any, given: dict[str, Any]) -> None:
    assert asked(rule, case(**given)) == ()


def test_fields_that_came_later_do_not_make_another_spec() -> None:
    old = case()
    assert old.champion is not None
    fields = {name: value for name, value in old.champion[1].spec.items() if name != "card"}
    before = old.champion[1].model_copy(update={"spec": fields})
    assert asked("spec", case(before=before)) == ()


def test_one_reason_is_enough_and_all_are_told() -> None:
    many = reasons_to_ask(Approval(when=("first", "shaped", "warnings")), case(shaped=0.5, validation=None))
    assert len(many) == 2


@pytest.mark.parametrize(
    "metric, value, champion, is_worse",
    [
        ("auc", 0.7, 0.8, True),
        ("auc", 0.8, 0.8, False),
        ("log_loss", 0.5, 0.4, True),
        ("log_loss", 0.4, 0.5, False),
        ("auc", float("nan"), 0.8, True),
        ("auc", float("nan"), float("nan"), False),
        ("rows", 1.0, 2.0, False),
    ],
)
def test_worse(metric: str, value: float, champion: float, is_worse: bool) -> None:
    assert worse(metric, value, champion) == is_worse


@pytest.mark.parametrize(
    "approval, says",
    [
        ({"people": 2, "users": ["ann"]}, "users names 1 who may answer, and people asks for 2"),
        ({"people": 2, "users": ["ann", "ann"]}, "users names 1"),
        ({"when": []}, "nobody would ever be asked"),
        ({"when": ["sometimes"]}, "approval.when"),
        ("maybe", "approval"),
    ],
)
def test_a_section_that_asks_nobody_right_is_refused(approval: Any, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        world.spec(approval=approval)


def test_required_is_always_by_one_within_a_day() -> None:
    spec = world.spec(approval="required")
    assert spec.approval == Approval()
    assert spec.approval is not None
    assert spec.approval.longest.days == 1
