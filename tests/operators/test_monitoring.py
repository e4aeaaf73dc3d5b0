"""Drift is looked for once per run, and only a reason asks for retraining."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.monitoring.drift import monitoring_log
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import recall
from airflow_mlops.operators.monitoring import DriftOperator, RequestRetrainingOperator
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint
from tests.operators.world import Run

DRIFT = {
    "ref": "f" * 64,
    "outcome": "drift",
    "retrain": True,
    "reasons": ["share 60 %"],
    "columns": ["amount"],
}


def look(run: Run, **arguments: Any) -> Any:
    return run.execute(DriftOperator(task_id="drift", spec=world.spec(), **arguments))


def test_without_a_champion_nothing_drifts(store: Store, run: Run) -> None:
    told = look(run)
    assert (told["outcome"], told["retrain"], told["columns"]) == ("inconclusive", False, [])
    assert "no champion serves" in told["reasons"][0]
    assert recall(store, told["ref"], DriftReport).outcome == "inconclusive"


def test_a_retried_look_is_the_same_look(store: Store, run: Run) -> None:
    assert look(run) == look(run)
    assert len(list(monitoring_log(store, world.MODEL).entries())) == 1
    look(Run("r2"))
    assert len(list(monitoring_log(store, world.MODEL).entries())) == 2


def test_the_window_of_one_run(store: Store, run: Run) -> None:
    report = recall(store, look(run, window="6h")["ref"], DriftReport)
    assert (report.until - report.since).total_seconds() == 6 * 3600
    report = recall(store, look(Run("r2"))["ref"], DriftReport)
    assert (report.until - report.since).total_seconds() == 24 * 3600


@pytest.mark.parametrize("window", ["6 hours", "0h", 6])
def test_a_wrong_window(store: Store, run: Run, window: Any) -> None:
    with pytest.raises(
        AirflowFailException, match=r"monitoring.window: given .*a duration is a number above 0"
    ):
        look(run, window=window)
    assert not list(monitoring_log(store, world.MODEL).entries())


def test_a_champion_without_its_training_data_is_told(store: Store, endpoint: FakeEndpoint, run: Run) -> None:
    world.register(store)
    DeploymentLog(store, world.MODEL).promote(1, who="ann", why="first", run="r1")
    with pytest.raises(AirflowException, match="d1"):
        look(run)
    assert run.refusal("drift")["task"] == "drift"
    assert not list(monitoring_log(store, world.MODEL).entries())


def test_an_endpoint_that_is_away_is_tried_again(
    store: Store, endpoint: FakeEndpoint, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any, **options: Any) -> None:
        raise EndpointError("nobody answers")

    monkeypatch.setattr("airflow_mlops.core.monitoring.drift.look_for_drift", away)
    with pytest.raises(AirflowException) as caught:
        look(run)
    assert not isinstance(caught.value, AirflowFailException)


def test_a_reason_asks_for_retraining_by_an_event(store: Store, run: Run) -> None:
    asset = Asset("retrain", uri="mlmodel://orders/retrain")
    run.events[asset] = SimpleNamespace(extra=None)
    operator = RequestRetrainingOperator(task_id="ask", spec=world.spec(), drift=DRIFT, outlets=[asset])
    expected = {"model": "orders", "reasons": ["share 60 %"], "columns": ["amount"], "report": "f" * 64}
    assert run.execute(operator) == expected
    assert run.events[asset].extra == expected


@pytest.mark.parametrize(
    "drift, says",
    [
        ({**DRIFT, "retrain": False, "reasons": ["share 0 %", "all is calm"]}, "share 0 %; all is calm"),
        ({}, "no reason to retrain"),
        (None, "no reason to retrain"),
        ("drift", "no reason to retrain"),
    ],
)
def test_without_a_reason_the_task_is_skipped_so_that_no_event_is_sent(
    store: Store, run: Run, drift: Any, says: str
) -> None:
    with pytest.raises(AirflowSkipException, match=says):
        run.execute(RequestRetrainingOperator(task_id="ask", spec=world.spec(), drift=drift))
