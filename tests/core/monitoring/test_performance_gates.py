"""Gates of live performance: what decides, on which period, and what the spec may ask for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from airflow_mlops.core.monitoring.performance.gates import Yardstick, check_performance, judge
from airflow_mlops.core.monitoring.performance.report import PeriodPerformance, Value
from tests.core.monitoring.traffic import NOW

STICK = Yardstick(champion=2, baseline={"log_loss": 0.5, "auc": 0.7}, min_rows=200, min_labelled=0.5)
BELOW = Gate(metric="log_loss", max=0.6)


def period(back=0, *, measured=None, estimated=None, labelled=1000, rows=1000, champion=2, slice=None):
    def values(given):
        return {name: Value(value=v, low=low, high=high) for name, (low, v, high) in (given or {}).items()}

    return PeriodPerformance(
        since=NOW - timedelta(days=back + 1),
        until=NOW - timedelta(days=back),
        champion=champion,
        slice=slice,
        rows=rows,
        labelled=labelled,
        measured=values(measured),
        estimated=values(estimated),
    )


def one(gate, *periods, stick=STICK):
    (result,), judged_on = judge([gate], periods, stick)
    return result, judged_on


@pytest.mark.parametrize(
    "low, high, outcome, bound",
    [
        (0.40, 0.60, "pass", 0.60),
        (0.40, 0.61, "inconclusive", None),
        (0.601, 0.7, "fail", 0.601),
    ],
)
def test_only_a_whole_interval_decides(low, high, outcome, bound):
    result, judged_on = one(BELOW, period(measured={"log_loss": (low, 0.6, high)}))
    assert (result.outcome, result.bound, result.limit, result.interval) == (outcome, bound, 0.6, (low, high))
    assert (judged_on, result.samples) == ("measured", 1000)
    assert "measured 0.6 from 2024-04-30 12:00 to 2024-05-01 12:00" in result.reason


@pytest.mark.parametrize(
    "gate, metrics, outcome, limit",
    [
        (Gate(metric="log_loss", margin=0.02), {"log_loss": (0.53, 0.55, 0.57)}, "fail", 0.52),
        (Gate(metric="log_loss", margin=0.1), {"log_loss": (0.53, 0.55, 0.57)}, "pass", 0.6),
        (Gate(metric="auc", margin=0.02), {"auc": (0.6, 0.62, 0.64)}, "fail", 0.68),
        (Gate(metric="auc", min=0.6), {"auc": (0.6, 0.62, 0.64)}, "pass", 0.6),
        (Gate(metric="auc", max=0.6), {"auc": (0.61, 0.62, 0.64)}, "fail", 0.6),
        (Gate(metric="log_loss", min=0.6), {"log_loss": (0.5, 0.55, 0.59)}, "fail", 0.6),
    ],
)
def test_limits_and_margins_of_both_directions(gate, metrics, outcome, limit):
    result, _ = one(gate, period(measured=metrics))
    assert result.outcome == outcome
    assert result.limit == pytest.approx(limit)
    assert (result.champion is not None) == (gate.margin is not None)
    assert ("above" in result.reason) == (
        (gate.max is not None or gate.metric == "log_loss") == (outcome == "fail")
    ) or (gate.metric == "log_loss" and gate.min is not None)


def test_a_margin_without_a_baseline_decides_nothing():
    result, _ = one(Gate(metric="brier", margin=0.1), period(measured={"brier": (0.1, 0.2, 0.3)}))
    assert (result.outcome, result.limit) == ("inconclusive", None)
    assert "nothing to compare" in result.reason


def test_without_an_interval_nothing_is_decided():
    result, _ = one(BELOW, period(measured={"log_loss": (None, 0.9, None)}))
    assert (result.outcome, result.value) == ("inconclusive", 0.9)


def test_a_period_with_too_few_labels_is_judged_by_its_estimate():
    result, judged_on = one(
        BELOW,
        period(labelled=499, measured={"log_loss": (0.1, 0.2, 0.3)}, estimated={"log_loss": (0.7, 0.8, 0.9)}),
    )
    assert (result.outcome, result.value, judged_on, result.samples) == ("fail", 0.8, "estimated", 1000)


def test_the_newest_measured_period_counts_beside_a_newer_estimate():
    """Concept drift is not seen by an estimate, and labels may always come later than the newest period."""
    mature = period(1, measured={"log_loss": (0.7, 0.8, 0.9)})
    newest = period(labelled=0, estimated={"log_loss": (0.4, 0.5, 0.55)})
    result, judged_on = one(BELOW, mature, newest)
    assert (result.outcome, judged_on) == ("fail", "estimated")
    assert "measured 0.8" in result.reason
    fine = period(1, measured={"log_loss": (0.4, 0.5, 0.55)})
    assert one(BELOW, fine, newest)[0].outcome == "pass"
    unsure = period(labelled=0, estimated={"log_loss": (0.4, 0.5, 0.9)})
    assert one(BELOW, fine, unsure)[0].outcome == "inconclusive"


def test_an_older_measured_period_does_not_outweigh_the_newest_one():
    old = period(1, measured={"log_loss": (0.7, 0.8, 0.9)})
    assert one(BELOW, old, period(measured={"log_loss": (0.4, 0.5, 0.55)}))[0].outcome == "pass"


BAD, GOOD = {"log_loss": (0.7, 0.8, 0.9)}, {"log_loss": (0.4, 0.5, 0.55)}


@pytest.mark.parametrize(
    "measured, outcome",
    [
        ([GOOD, GOOD, BAD], "inconclusive"),
        ([BAD], "inconclusive"),
        ([GOOD, BAD, BAD], "fail"),
        ([BAD, GOOD, BAD], "fail"),
        ([BAD, BAD, GOOD], "pass"),
        ([BAD, GOOD, GOOD, BAD], "inconclusive"),
    ],
)
def test_one_bad_period_is_no_decay(measured, outcome):
    stick = Yardstick(2, STICK.baseline, 200, 0.5, windows=2, of=3)
    periods = [period(len(measured) - 1 - place, measured=one) for place, one in enumerate(measured)]
    result, judged_on = one(BELOW, *periods, stick=stick)
    assert (result.outcome, judged_on) == (outcome, "measured")
    failed = sum(one is BAD for one in measured[-3:])
    if measured[-1] is BAD:
        assert f"so it is in {failed} of the newest {len(measured[-3:])} measured periods" in result.reason
    waiting = period(-1, labelled=0)
    assert one(BELOW, *periods, waiting, stick=stick)[0].outcome == outcome


def test_an_earlier_champion_is_not_judged():
    theirs = period(1, champion=1, measured={"log_loss": (0.7, 0.8, 0.9)})
    result, judged_on = one(BELOW, theirs, period(rows=10, labelled=0))
    assert (result.outcome, judged_on, result.value) == ("inconclusive", None, None)


def test_too_few_rows_are_not_judged():
    few = period(rows=199, labelled=199, measured={"log_loss": (0.7, 0.8, 0.9)})
    assert one(BELOW, few)[0].outcome == "inconclusive"
    before = period(1, measured={"log_loss": (0.4, 0.5, 0.55)})
    assert one(BELOW, before, few)[0].outcome == "pass"


def test_estimates_that_were_wrong_decide_nothing():
    stick = Yardstick(2, STICK.baseline, 200, 0.5, distrusted={"log_loss": "3 of 3 were outside"})
    newest = period(labelled=0, estimated={"log_loss": (0.7, 0.8, 0.9)})
    result, _ = one(BELOW, newest, stick=stick)
    assert (result.outcome, result.interval) == ("inconclusive", None)
    assert "3 of 3 were outside" in result.reason
    mature = period(1, measured={"log_loss": (0.4, 0.5, 0.55)})
    assert one(BELOW, mature, newest, stick=stick)[0].outcome == "pass"


def test_what_can_not_be_estimated_is_judged_by_what_was_measured():
    gate = Gate(metric="r2", min=0.5)
    mature = period(1, measured={"r2": (0.6, 0.7, 0.8)})
    newest = period(labelled=0, estimated={"mae": (1.0, 2.0, 3.0)})
    assert one(gate, mature, newest)[0].outcome == "pass"
    assert one(gate, newest)[0].outcome == "inconclusive"


def test_a_gate_on_a_slice_looks_at_that_slice_and_its_baseline():
    gate = Gate(metric="auc", margin=0.0, slice="carrier=UA")
    stick = Yardstick(2, STICK.baseline, 200, 0.5, slices={"carrier=UA": {"auc": 0.9}})
    whole = period(measured={"auc": (0.7, 0.75, 0.8)})
    ua = period(measured={"auc": (0.7, 0.75, 0.8)}, slice="carrier=UA", rows=60, labelled=60)
    assert one(gate, whole, ua, stick=stick)[0].outcome == "fail"
    assert one(gate, whole, stick=stick)[0].outcome == "inconclusive"
    few = period(measured={"auc": (0.7, 0.75, 0.8)}, slice="carrier=UA", rows=49, labelled=49)
    assert one(gate, whole, few, stick=stick)[0].outcome == "inconclusive"


@pytest.mark.parametrize(
    "performance, said",
    [
        ({"gates": ({"metric": "latency", "max": 5},)}, "latency can't be measured"),
        ({"gates": ({"metric": "rmse", "max": 5},)}, "rmse can't be measured"),
        ({"gates": ({"metric": "auc", "min": 0.5, "slice": "colour=red"},)}, "no column colour"),
        ({"gates": ({"metric": "auc", "min": 0.5, "slice": "colour"},)}, "malformed"),
        ({"gates": ({"metric": "auc", "min": 0.5, "slice": "distance=[1,2)"},)}, "one value of one column"),
        ({"slices": ("colour",)}, "no column colour"),
    ],
)
def test_what_can_not_be_measured_is_said_before_anything_runs(make_spec, performance, said):
    with pytest.raises(SpecError, match=said):
        check_performance(make_spec(performance=performance))


def test_parts_of_times_are_slices(make_spec):
    spec = make_spec(columns=("at", "carrier"), performance={"slices": ("at.hour", "carrier")})
    check_performance(spec)
