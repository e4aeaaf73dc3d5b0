"""While somebody holds a rollout nothing moves on, and a failed gate still takes the challenger out."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import Deployment
from airflow_mlops.core.rollout.holding import awaits_person, under_hold
from airflow_mlops.core.rollout.placement import Placement
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.spec import Rollout

SINCE = datetime(2024, 1, 1, 8, 30, tzinfo=timezone.utc)
GATE = {"metric": "error_rate", "max": 0.5}


def verdict(decision: Any, reason: str = "all gates passed") -> Verdict:
    return Verdict(stage="shadow", decision=decision, reason=reason, gates=(), counts={}, alpha=0.05)


def place(held: bool = True, why: str = "a sale") -> Placement:
    entry = Deployment(
        action="shadow", champion=1, challenger=2, who="bob", why=why, run="r", held=held, at=SINCE
    )
    return Placement(2, entry, SINCE - timedelta(hours=1), timedelta(0))


def rollout(inconclusive: Any) -> Rollout:
    return Rollout(shadow={"gates": [GATE]}, inconclusive=inconclusive)


@pytest.mark.parametrize("decision", ["PROMOTE", "INCONCLUSIVE", "CONTINUE"])
def test_a_held_rollout_goes_on_waiting(decision: str) -> None:
    said = under_hold(verdict(decision), place())
    assert (said.decision, said.held) == ("CONTINUE", True)
    assert said.reason == (
        "held by bob since 2024-01-01 08:30:00 UTC: a sale; waits for a resume; by now: all gates passed"
    )


def test_a_failed_gate_counts_all_the_same() -> None:
    failed = verdict("ROLLBACK", "failed: error_rate")
    assert under_hold(failed, place()) == failed


@pytest.mark.parametrize("decision", ["PROMOTE", "ROLLBACK", "INCONCLUSIVE", "CONTINUE"])
def test_what_nobody_holds_is_what_the_judge_says(decision: str) -> None:
    assert under_hold(verdict(decision), place(held=False)) == verdict(decision)


def test_a_reason_is_not_told_twice() -> None:
    said = under_hold(verdict("INCONCLUSIVE", "too few"), place(why="too few"))
    assert said.reason == "held by bob since 2024-01-01 08:30:00 UTC: too few; waits for a resume"


def test_only_an_undecided_end_waits_for_a_person_and_only_where_the_spec_says_so() -> None:
    waits = {
        (decision, policy)
        for decision in ("PROMOTE", "ROLLBACK", "INCONCLUSIVE", "CONTINUE")
        for policy in ("rollback", "hold")
        if awaits_person(rollout(policy), verdict(decision))
    }
    assert waits == {("INCONCLUSIVE", "hold")}
