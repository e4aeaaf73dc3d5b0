"""What asks for retraining, and what holds a request back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.monitoring.look import RetrainDecision
from airflow_mlops.core.monitoring.retraining.facts import Facts
from airflow_mlops.core.monitoring.retraining.new_data import NewRows
from airflow_mlops.core.monitoring.retraining.policy import decide
from airflow_mlops.spec import ModelSpec
from tests.core.monitoring import evidence
from tests.core.monitoring.evidence import DAY, NOW, look
from tests.core.training.world import spec_of


def spec(**retrain: Any) -> ModelSpec:
    return spec_of(monitoring={"retrain": {"windows": 1, "of": 1, **retrain}})


def decided(asked: ModelSpec | None = None, share: float = 0.0, **facts: Any) -> RetrainDecision:
    base: dict[str, Any] = {"drift": evidence.drift(share), "performance": None, "now": NOW}
    return decide(asked or spec(), Facts(**{**base, **facts}))


def causes(decision: RetrainDecision) -> list[str]:
    return [one.cause for one in decision.reasons]


# --- causes ---


def test_nothing_asks_for_nothing() -> None:
    decision = decided()
    assert not decision.retrain
    assert decision.reasons == ()
    assert decision.restraint is None
    assert decision.said.startswith("no reason to retrain: drift counts in 0 of the newest 1 windows")


def test_drift_of_enough_importance_asks_and_names_columns_and_numbers() -> None:
    decision = decided(share=0.4)
    assert decision.retrain
    assert causes(decision) == ["drift"]
    assert decision.reasons[0].columns == ("c0", "c1", "c2", "c3")
    assert "40% of the importance drifted (drift_share 30%): c0, c1, c2 and 1 more" in decision.said


def test_drift_of_less_importance_does_not() -> None:
    assert not decided(share=0.2).reasons


def test_one_important_column_asks_alone() -> None:
    few = evidence.drift(0.1)
    heavy = few.columns[0].model_copy(update={"importance": 0.2})
    report = few.model_copy(update={"columns": (heavy, *few.columns[1:]), "share": 0.2})
    decision = decided(drift=report)
    assert decision.retrain
    assert "important are c0 20% (important 15%)" in decision.said
    assert not decided(spec(important=0.25), drift=report).retrain


def test_what_is_inconclusive_does_not_count() -> None:
    assert not decided(drift=evidence.drift(0.9, outcome="inconclusive")).reasons


@pytest.mark.parametrize(
    "earlier, asks",
    [
        ((), False),
        ((0.0, 0.0, 0.5), False),
        ((0.0, 0.5), True),
        ((0.5,), True),
        ((0.2, 0.2), False),
    ],
)
def test_so_many_of_the_newest_windows(earlier: tuple[float, ...], asks: bool) -> None:
    looks = tuple(look(share, ago=place + 1) for place, share in enumerate(earlier))
    decision = decided(spec(windows=2, of=3), 0.5, looks=looks)
    assert decision.retrain is asks


@pytest.mark.parametrize("judged_on", ["measured", "estimated"])
def test_a_performance_gate_that_fails_asks_and_says_whether_it_was_measured(judged_on: str) -> None:
    decision = decided(performance=evidence.performance("fail", judged_on))
    assert causes(decision) == ["performance"]
    assert f"performance ({judged_on}) fails log_loss: 0.6 is above 0.5" in decision.said
    assert not decided(performance=evidence.performance("inconclusive", judged_on)).reasons


def test_age() -> None:
    old = spec(max_age="30d")
    assert causes(decided(old, trained=NOW - 30 * DAY)) == ["age"]
    assert "trained 29 d ago (max_age 30 d)" in decided(old, trained=NOW - 29 * DAY).said
    assert not decided(trained=NOW - 9999 * DAY).reasons


def test_new_labelled_rows() -> None:
    enough = spec(min_new_rows=1000)
    assert causes(decided(enough, new=NewRows(1000, 0.0, "1,000 new"))) == ["new data"]
    assert not decided(enough, new=NewRows(999, 0.0, "999 new")).reasons
    unknown = decided(enough)
    assert not unknown.reasons
    assert "new labelled rows unknown (min_new_rows 1,000)" in unknown.said


def test_without_a_champion_there_is_nothing_to_retrain() -> None:
    decision = decided(drift=evidence.drift(0.9, champion=None))
    assert (decision.retrain, decision.reasons) == (False, ())


# --- restraints ---


def held(decision: RetrainDecision) -> str | None:
    assert not decision.retrain
    assert decision.reasons, "the evidence stays"
    assert decision.said.startswith("no request, ")
    return decision.restraint


def test_a_backfill_never_asks() -> None:
    assert held(decided(share=0.9, backfill=True)) == "backfill"


def test_asked_once_and_not_twice() -> None:
    """While its release is to come, and while it is running; not after that."""
    hour = timedelta(hours=1)
    often = spec(cooldown="1s")
    asked = {"share": 0.9, "requests": (evidence.request(NOW - 5 * hour),)}
    assert held(decided(often, **asked)) == "asked"
    running = evidence.release(NOW - 4 * hour)
    decision = decided(often, **asked, releases=running)
    assert held(decision) == "asked"
    assert "for drift, and that release is not over" in decision.said
    over = evidence.release(NOW - 4 * hour, NOW - hour)
    assert decided(often, **asked, releases=over).retrain


def test_a_release_that_ran_before_the_request_is_not_its_own() -> None:
    hour = timedelta(hours=1)
    before = evidence.release(NOW - 6 * hour, NOW - 4 * hour)
    requests = (evidence.request(NOW - 5 * hour),)
    assert held(decided(spec(cooldown="1s"), 0.9, requests=requests, releases=before)) == "asked"


def test_a_request_that_no_release_follows_is_lost_some_day() -> None:
    lost = {"share": 0.9, "requests": (evidence.request(NOW - 2 * DAY),)}
    assert decided(**lost).retrain
    assert held(decided(spec(cooldown="3d"), **lost)) == "asked"


def test_a_release_that_never_ended_is_dead_some_day() -> None:
    requests = (evidence.request(NOW - 60 * DAY),)
    assert decided(share=0.9, requests=requests, releases=evidence.release(NOW - 59 * DAY)).retrain


def test_a_new_champion_is_another_matter_but_for_the_cooldown() -> None:
    requests = (evidence.request(NOW - timedelta(hours=2), champion=2),)
    assert held(decided(share=0.9, requests=requests)) == "cooldown"
    assert decided(spec(cooldown="1h"), 0.9, requests=requests).retrain


def test_evidence_about_a_version_that_answers_no_more() -> None:
    decision = decided(share=0.9, replaced="version 4 is champion")
    assert held(decision) == "replaced"
    assert "the evidence is about version 3, and version 4 is champion now" in decision.said


def test_a_rollout_in_progress() -> None:
    decision = decided(share=0.9, rollout="version 4 is in canary")
    assert held(decision) == "rollout"
    assert "a release is in progress: version 4 is in canary" in decision.said


def test_cooldown_after_a_promotion() -> None:
    decision = decided(share=0.9, promoted=NOW - timedelta(hours=3))
    assert held(decision) == "cooldown"
    assert "cooldown 1 d: the last promotion of this champion was 3 h ago" in decision.said


def test_budget() -> None:
    requests = tuple(evidence.request(NOW - days * DAY, champion=2) for days in (29, 20, 10, 5))
    decision = decided(share=0.9, requests=requests)
    assert held(decision) == "budget"
    assert "4 of 4 requests in 30 d" in decision.said
    assert decided(spec(budget=5), 0.9, requests=requests).retrain
    assert decided(spec(budget_window="28d"), 0.9, requests=requests).retrain


def test_the_loop_guard_says_what_to_do() -> None:
    guarded = spec(max_shaped=0.5)
    decision = decided(guarded, 0.9, new=NewRows(100, 0.8, "100 new"))
    assert held(decision) == "loop"
    assert decision.shaped == 0.8
    assert "may have shaped 80% of the new rows, max_shaped is 50%: hold out a share" in decision.said
    free = decided(guarded, 0.9, new=NewRows(100, 0.5, "100 new"))
    assert free.retrain
    assert "shaped by own answers at most 50% of the new rows" in free.said
    assert decided(guarded, 0.9, new=NewRows(100, None, "100 new")).retrain, "nobody knows"


def test_it_is_a_line() -> None:
    decision = decided(
        spec(max_age="1d", min_new_rows=1),
        0.9,
        performance=evidence.performance(),
        trained=NOW - 2 * DAY,
        new=NewRows(5, 1.0, "5 new"),
    )
    assert causes(decision) == ["drift", "performance", "age", "new data"]
    assert "\n" not in decision.said
