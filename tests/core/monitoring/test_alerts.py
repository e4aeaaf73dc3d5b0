"""What a look found that people should know: one alert of a kind, with what to do next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.monitoring.alerts.alert import Alert, Found
from airflow_mlops.core.monitoring.alerts.of_looks import alerts_of_look
from airflow_mlops.core.monitoring.look import Reason, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import EstimationError, InputFreshness
from airflow_mlops.core.monitoring.report import Multivariate
from tests.core.monitoring.looked import (
    ASKED,
    DAY,
    NOTHING,
    START,
    column,
    drift,
    failed_gate,
    look,
    performance,
    period,
    spec,
    value,
)

LINK = "http://localhost:8080/dags/orders.monitor/runs/r1"


def found(
    report: Any, measured: Any = None, decision: Any = NOTHING, of: Any = None, **options: Any
) -> Found:
    return alerts_of_look(of or spec(), report, measured, decision, LINK, at=START + 2 * DAY, **options)


def only(told: Found) -> Alert:
    (alert,) = told.alerts
    return alert


def test_nothing_happened() -> None:
    told = found(drift(column("amount", drifted=False)), performance(period()))
    assert told == Found((), frozenset({"drift", "retraining"}))


def test_all_drifted_columns_are_one_alert_the_most_important_first() -> None:
    report = drift(
        column("country", said="new values FR 3 %", importance=0.1),
        column("amount", said="mean 3 -> 6", importance=0.6),
        *(column(f"c{number}") for number in range(30)),
        column("calm", drifted=False),
    )
    alert = only(found(report))
    assert (alert.kind, alert.severity, alert.state) == ("drift", "warning", "new")
    assert alert.title == "orders: 32 of 33 columns drifted: amount, country and 30 more"
    assert alert.how_bad.startswith("The drifted columns carry 70% of what moves the model's answers.")
    assert alert.details[:2] == (
        "amount: mean 3 -> 6 (moved by 0.40, 60% of the importance)",
        "country: new values FR 3 % (moved by 0.40, 10% of the importance)",
    )
    assert alert.details[5].startswith("and 27 more: c11, c12")
    assert alert.about[:2] == ("amount", "country")
    assert alert.link == LINK
    assert "amount" in alert.next_step
    assert "trigger orders.release" in alert.next_step
    assert "8,000 rows" in alert.text


def test_little_importance_is_only_good_to_know() -> None:
    assert only(found(drift(column("amount", importance=0.05)))).severity == "info"
    assert only(found(drift(column("amount", importance=0.25)))).severity == "warning"


def test_what_no_column_shows_alone() -> None:
    together = Multivariate(auc=0.71, p_value=0.001, drifted=True, columns=("a", "b"), rows=1000)
    alert = only(found(drift(outcome="drift", multivariate=together)))
    assert alert.severity == "warning"
    assert "no column does alone" in alert.title
    assert "AUC 0.71, most by a, b" in "\n".join(alert.details)


def test_the_cost_is_measured_when_labels_have_come() -> None:
    measured = performance(
        period(940, measured={"auc": value(0.6, low=0.58, high=0.62)}), baseline={"auc": 0.75}
    )
    alert = only(found(drift(column("amount")), measured))
    assert (
        "It costs 0.15 of auc: 0.75 when it was registered -> 0.6 (95 %: 0.58 to 0.62), "
        "measured on the 94% of rows with labels." in alert.how_bad
    )


def test_the_cost_is_estimated_before_they_have_come() -> None:
    both = {"measured": {"auc": value(0.1)}, "estimated": {"auc": value(0.7)}}
    alert = only(found(drift(column("amount")), performance(period(10, **both), baseline={"auc": 0.75})))
    assert "It costs 0.05 of auc: 0.75 when it was registered -> 0.7, estimated, labels" in alert.how_bad


def test_a_drift_that_costs_nothing() -> None:
    measured = performance(period(measured={"auc": value(0.8)}), baseline={"auc": 0.75})
    assert "auc has not suffered: 0.75" in only(found(drift(column("amount")), measured)).how_bad


def test_the_metric_is_that_of_the_live_gates() -> None:
    gates = {"performance": {"gates": [{"metric": "log_loss", "max": 0.5}]}}
    values = {"auc": value(0.7), "log_loss": value(0.48)}
    measured = performance(period(measured=values), baseline={"auc": 0.7, "log_loss": 0.45})
    alert = only(found(drift(column("amount")), measured, of=spec(**gates)))
    assert "It costs 0.03 of log_loss" in alert.how_bad


def test_a_cost_that_nobody_knows() -> None:
    assert (
        "What it costs is not known" in only(found(drift(column("amount")), performance(period(0)))).how_bad
    )


def test_since_when_it_drifts_is_told_by_the_earlier_looks() -> None:
    now = drift(column("amount"), since=START + 4 * DAY, until=START + 5 * DAY)
    looks = [look(0, "stable"), look(1), look(3), look(2, "inconclusive")]
    assert only(found(now, looks=looks)).since == START + DAY
    others = [look(0), look(1, champion=2), look(2)]
    assert only(found(now, looks=others)).since == START + 2 * DAY
    assert only(found(now)).since == START + 4 * DAY


def test_an_inconclusive_look_ends_nothing() -> None:
    assert found(drift(outcome="inconclusive")).judged == frozenset({"retraining"})


@pytest.mark.parametrize("fields, looks", [({"champion": None}, []), ({}, [look(3)])])
def test_without_a_champion_and_in_the_past_nobody_has_to_act(fields: Any, looks: Any) -> None:
    measured = performance(period(), gates=(failed_gate(),), judged_on="measured")
    assert found(drift(column("amount"), **fields), measured, ASKED, looks=looks) == Found()


def test_its_own_entry_of_the_log_is_no_later_look() -> None:
    assert only(found(drift(column("amount")), looks=[look(0)])).kind == "drift"


@pytest.mark.parametrize("judged_on, severity", [("measured", "critical"), ("estimated", "warning")])
def test_failed_gates_are_one_alert(judged_on: str, severity: str) -> None:
    gates = (failed_gate("auc"), failed_gate("log_loss", 0.6))
    measured = performance(
        period(measured={"auc": value(0.55)}), gates=gates, judged_on=judged_on, baseline={"auc": 0.75}
    )
    earlier = [look(-2, "stable", failed_gates=("auc",), judged_on="measured")]
    told = found(drift(column("amount", drifted=False)), measured, looks=earlier)
    alert = only(told)
    assert (alert.kind, alert.severity, alert.about) == ("decay", severity, ("auc", "log_loss"))
    assert alert.title == "orders: version 3 is worse than allowed in auc, log_loss"
    assert alert.since == START - 2 * DAY
    assert f"auc: 0.55 ({judged_on}), allowed is at least 0.6; the interval lies below" in alert.details
    assert "orders.rollback" in alert.next_step
    assert "decay" in told.judged


def test_how_far_an_estimate_is_to_be_trusted() -> None:
    errors = tuple(
        EstimationError(since=START, until=START + DAY, metric="auc", estimated=0.7, measured=0.7, within=one)
        for one in (True, True, False)
    )
    measured = performance(period(), gates=(failed_gate(),), judged_on="estimated", errors=errors)
    assert "Of 3 earlier estimates 2 held when labels came." in only(found(drift(), measured)).details


def test_gates_that_could_not_be_decided_say_nothing() -> None:
    undecided = failed_gate().model_copy(update={"outcome": "inconclusive"})
    told = found(drift(), performance(period(), gates=(undecided,), judged_on="measured"))
    assert "decay" not in told.judged
    passed = failed_gate().model_copy(update={"outcome": "pass"})
    told = found(drift(), performance(period(), gates=(passed,), judged_on="measured"))
    assert ("decay" in told.judged, told.alerts) == (True, ())


def test_labels_that_are_overdue() -> None:
    asked = spec(performance={"label_delay": "1d"})
    late = period(600)
    fresh = period(0, since=START + DAY, until=START + 2 * DAY)
    measured = performance(late, fresh, as_of=START + 2 * DAY, overdue=400, unknown=7)
    alert = only(found(drift(), measured, of=asked))
    assert (alert.kind, alert.severity, alert.since) == ("missing labels", "warning", START)
    assert alert.how_bad == "400 answers have had no label for longer than 1 d."
    assert "600 of 1,000 rows have labels" in alert.details[0]
    assert "7 labels name answers that nobody captured" in alert.details
    assert "missing labels" in found(drift(), performance(period()), of=asked).judged
    assert "missing labels" not in found(drift(), measured).judged


def test_stale_inputs_are_one_alert() -> None:
    inputs = (
        InputFreshness(name="orders", place="orders/*.parquet", newest=START - 2 * DAY, stale=True),
        InputFreshness(name="weather", place="weather/*.csv", newest=None, stale=True),
        InputFreshness(name="fx", place="fx/*.csv", newest=START + DAY, stale=False),
    )
    asked = spec(freshness="36h")
    alert = only(found(drift(), performance(period(), inputs=inputs), of=asked))
    assert (alert.kind, alert.about) == ("stale data", ("orders", "weather"))
    assert alert.title == "orders: no new data in orders, weather"
    assert alert.how_bad == "2 of 3 inputs are older than 1 d 12 h."
    assert alert.since == START - 2 * DAY + timedelta(hours=36)
    assert alert.details[0] == "orders (orders/*.parquet): newest 2026-10-30 00:00 UTC, 3 d old"
    assert alert.details[1] == "weather (weather/*.csv): nothing is there"
    told = found(drift(), performance(period(), inputs=inputs[2:]), of=asked)
    assert ("stale data" in told.judged, told.alerts) == (True, ())
    assert "stale data" not in found(drift(), performance(period(), inputs=inputs)).judged


def test_retraining_that_is_asked_for_happens_once() -> None:
    told = found(drift(column("amount")), None, ASKED)
    assert [one.kind for one in told.alerts] == ["drift", "retraining"]
    asked = told.alerts[1]
    assert (asked.severity, asked.lasts) == ("info", False)
    assert "orders.release starts by itself" in asked.next_step
    assert "retraining is asked for; follow orders.release" in told.alerts[0].next_step


@pytest.mark.parametrize(
    "restraint, way", [("budget", "monitoring.retrain.budget"), ("loop", "collect labels")]
)
def test_what_only_a_person_can_lift(restraint: str, way: str) -> None:
    decision = RetrainDecision(
        retrain=False,
        reasons=(Reason(cause="age", said="41 days old"),),
        restraint=restraint,
        said="held back",
    )
    alert = only(found(drift(), None, decision))
    assert (alert.kind, alert.severity, alert.lasts) == ("retraining", "warning", True)
    assert way in alert.next_step
    assert alert.details == ("41 days old",)


def test_a_cooldown_ends_by_itself() -> None:
    decision = RetrainDecision(
        retrain=False, reasons=(Reason(cause="drift", said="drift"),), restraint="cooldown", said="until noon"
    )
    alert = only(found(drift(column("amount")), None, decision))
    assert alert.kind == "drift"
    assert "until noon" in alert.details


def test_names_from_data_stay_on_their_line() -> None:
    evil = "amount\nSubject: win\u202e<b>" + "x" * 5000
    alert = only(found(drift(column(evil, said=evil))))
    assert "\n" not in alert.title
    assert len(alert.title) <= 300
    assert "\u202e" not in alert.text
    assert all("\n" not in line for line in (*alert.details, *alert.about, alert.how_bad, alert.next_step))
    assert Alert.from_bytes(alert.to_bytes()) == alert
