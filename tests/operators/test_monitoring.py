"""One look, task by task: its period is the run's, it is written down once, and only a reason asks for retraining."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.monitoring.look import Look, Reason, RetrainDecision, monitoring_log
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.retraining.requests import request_log
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.monitoring import DriftOperator, PerformanceOperator, TakeInOperator
from airflow_mlops.operators.retraining import DecideOperator, RequestRetrainingOperator
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

NOW = datetime(2026, 5, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)


def take_in(run: Run, **arguments: Any) -> Any:
    return run.execute(TakeInOperator(task_id="take_in", spec=world.spec(), **arguments))


def look(run: Run, **arguments: Any) -> Any:
    period = take_in(run, **arguments)
    drift = run.execute(DriftOperator(task_id="drift", spec=world.spec(), period=period))
    performance = run.execute(PerformanceOperator(task_id="performance", spec=world.spec(), period=period))
    return run.execute(
        DecideOperator(task_id="decide", spec=world.spec(), drift=drift, performance=performance)
    )


@pytest.mark.parametrize(
    "given, until, as_of",
    [
        ({"run_type": "scheduled", "logical_date": NOW}, NOW, NOW),
        ({"run_type": "backfill", "logical_date": NOW}, NOW, NOW),
        ({"run_after": NOW}, NOW, NOW),
        ({"run_after": NOW, "until": "2026-04-30T00:00:00Z"}, NOW - DAY, NOW),
    ],
)
def test_the_period_of_a_run(store: Store, given: dict[str, Any], until: datetime, as_of: datetime) -> None:
    asked = {"until": given.pop("until")} if "until" in given else {}
    told = take_in(Run(**given), **asked)
    times = [datetime.fromisoformat(told[name]) for name in ("since", "until", "as_of")]
    assert times == [until - DAY, until, as_of]
    assert told["champion"] is None


@pytest.mark.parametrize(
    "window, length", [("6h", timedelta(hours=6)), ("0.5s", timedelta(seconds=0.5)), ("26w", 182 * DAY)]
)
def test_the_window_of_one_run(store: Store, run: Run, window: str, length: timedelta) -> None:
    told = take_in(run, window=window)
    assert datetime.fromisoformat(told["until"]) - datetime.fromisoformat(told["since"]) == length
    report = recall(
        store,
        run.execute(DriftOperator(task_id="drift", spec=world.spec(), period=told))["ref"],
        DriftReport,
    )
    assert report.until - report.since == length


@pytest.mark.parametrize("window", ["6 hours", "0h", 6])
def test_a_wrong_window(store: Store, run: Run, window: Any) -> None:
    with pytest.raises(
        AirflowFailException, match=r"monitoring.window: given .*a duration is a number above 0"
    ):
        take_in(run, window=window)


@pytest.mark.parametrize("until", ["yesterday", "2026-04-30", "2026-04-30T00:00:00", 7])
def test_a_wrong_end(store: Store, run: Run, until: Any) -> None:
    with pytest.raises(AirflowFailException, match="until is no time with a zone"):
        take_in(run, until=until)


def test_a_scheduled_look_waits_until_its_last_requests_have_come(store: Store) -> None:
    run = Run(run_type="scheduled", logical_date=utc_now())
    with pytest.raises(TaskDeferred) as deferred:
        take_in(run)
    assert deferred.value.method_name == "proceed"
    by_hand = Run(run_after=utc_now())
    assert take_in(by_hand)["taken"]


def test_an_endpoint_that_is_away_is_tried_again(
    store: Store, endpoint: FakeEndpoint, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **options: Any) -> None:
        raise EndpointError("nobody answers")

    monkeypatch.setattr(endpoint, "captures", away)
    with pytest.raises(AirflowException) as caught:
        take_in(run)
    assert not isinstance(caught.value, AirflowFailException)


def test_without_a_champion_nothing_drifts_and_nothing_is_asked(store: Store, run: Run) -> None:
    told = look(run)
    assert (told["outcome"], told["retrain"], told["columns"]) == ("inconclusive", False, [])
    assert told["said"] == "no request: no version of the model is champion"
    assert (told["measured"], told["estimated"], told["rows"]) == ({}, {}, 0)


def test_a_retried_look_is_the_same_look(store: Store, run: Run) -> None:
    assert look(run) == look(run)
    assert len(list(monitoring_log(store, world.MODEL).entries())) == 1
    look(Run("r2"))
    assert len(list(monitoring_log(store, world.MODEL).entries())) == 2


def test_a_champion_without_its_training_data_is_told(store: Store, run: Run) -> None:
    world.register(store)
    DeploymentLog(store, world.MODEL).promote(1, who="ann", why="first", run="r1")
    period = take_in(Run(run_after=utc_now() + DAY))
    with pytest.raises(AirflowException, match="d1"):
        run.execute(DriftOperator(task_id="drift", spec=world.spec(), period=period))
    assert run.refusal("drift")["task"] == "drift"


def write_look(store: Store, run: Run, decision: RetrainDecision) -> Look:
    entry = Look(
        run=run.key,
        since=NOW - DAY,
        until=NOW,
        champion=1,
        drift="d" * 64,
        performance="e" * 64,
        outcome="drift",
        share=0.6,
        columns=("amount",),
        metrics={},
        judged_on=None,
        failed_gates=(),
        decision=decision,
        at=NOW,
    )
    monitoring_log(store, world.MODEL).append(entry, after=0)
    return entry


def ask(run: Run) -> Any:
    asset = Asset("retrain", uri="mlmodel://orders/retrain")
    run.events[asset] = SimpleNamespace(extra=None)
    operator = RequestRetrainingOperator(task_id="ask", spec=world.spec(), outlets=[asset])
    try:
        return run.execute(operator), run.events[asset].extra
    except AirflowSkipException as skipped:
        assert run.events[asset].extra is None
        return str(skipped), None


def test_a_reason_asks_for_retraining_by_an_event(store: Store, run: Run) -> None:
    why = Reason(cause="drift", said="share 60 %", columns=("amount",))
    write_look(store, run, RetrainDecision(retrain=True, reasons=(why,), said="retrain: share 60 %"))
    expected = {
        "model": "orders",
        "champion": 1,
        "reasons": ["share 60 %"],
        "columns": ["amount"],
        "drift": "d" * 64,
        "performance": "e" * 64,
    }
    assert ask(run) == (expected, expected)
    assert ask(run) == (expected, expected), "a retry asks again: the event may not have been sent"
    assert len(list(request_log(store, world.MODEL).entries())) == 1


def test_without_a_reason_the_task_is_skipped_so_that_no_event_is_sent(store: Store, run: Run) -> None:
    write_look(store, run, RetrainDecision(retrain=False, said="no reason to retrain: all is calm"))
    assert ask(run) == ("no reason to retrain: all is calm", None)
    assert not list(request_log(store, world.MODEL).entries())


def test_a_run_that_has_not_looked_asks_for_nothing(store: Store, run: Run) -> None:
    assert ask(run) == ("this run has not looked at orders", None)


@pytest.mark.parametrize("wrong", [None, "drift", {}, {"ref": None}])
def test_a_decision_without_reports_is_refused(store: Store, run: Run, wrong: Any) -> None:
    with pytest.raises(AirflowFailException, match="is not a stage's result"):
        run.execute(DecideOperator(task_id="decide", spec=world.spec(), drift=wrong, performance=wrong))
