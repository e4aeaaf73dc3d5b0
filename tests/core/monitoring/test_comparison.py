from __future__ import annotations

import json

import pytest

from airflow_mlops.core.monitoring.comparison import compare, strength
from airflow_mlops.core.monitoring.policy import decide
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.wording import explain
from airflow_mlops.core.store.blobs import get_bytes
from tests.core.monitoring.traffic import rows_like_training


def by_name(found):
    return {one.column: one for one in found}


def look(store, sides, spec, live, training) -> DriftReport:
    return compare(store, spec, *sides(spec, live, training))


@pytest.mark.parametrize("rows", [900, 5000], ids=["p-values", "distances"])
def test_same_data_are_stable_and_a_shift_is_seen_by_tests_of_either_direction(store, sides, make_spec, rows):
    """Evidently takes p-values for up to 1,000 reference rows (low is drift), above distances (high is)."""
    spec, training = make_spec(), rows_like_training(rows, seed=1)
    stable = look(store, sides, spec, rows_like_training(800, seed=2), training)
    assert stable.outcome == "stable"
    assert stable.drifted == ()
    assert all(one.method and one.strength < 1 for one in stable.columns)

    moved = rows_like_training(800, seed=2)
    moved["distance"] = moved["distance"] + 600
    moved["carrier"] = moved["carrier"].replace({"UA": "XX"})
    report = look(store, sides, spec, moved, training)
    assert report.outcome == "drift"
    assert set(report.drifted) == {"distance", "carrier"}
    assert report.share == 0.5
    assert ("p_value" in str(by_name(report.columns)["distance"].method)) == (rows == 900)
    assert all(one.strength > 1 for one in report.columns if one.drifted)


def test_the_report_is_explained_in_one_line_with_the_strongest_first(store, sides, make_spec):
    training, live = rows_like_training(5000, seed=1), rows_like_training(800, seed=2)
    live["distance"] += 6000
    live["snow"] = live["snow"].astype(object)
    live.loc[: int(len(live) * 0.6), "snow"] = None
    spec = make_spec()
    report = look(store, sides, spec, live, training)
    line = explain(report)
    assert "\n" not in line
    assert line.startswith(
        "flight_delay: 2 of 4 columns drifted (50%); 30% asks for retraining: distance by "
    )
    assert "snow missing 0% -> 60%" in line
    decision = decide(spec, report)
    assert decision.retrain
    assert decision.columns == report.drifted == ("distance", "snow")
    assert decision.reasons[0] == "drifted share 50% reaches monitoring.drift_share 30%"
    assert not decide(make_spec(drift_share=0.6), report).retrain


def test_too_few_rows_are_inconclusive_and_never_drift(store, sides, make_spec):
    live = rows_like_training(199, seed=2)
    live["distance"] += 6000
    spec = make_spec()
    report = look(store, sides, spec, live, rows_like_training(900, seed=1))
    assert report.outcome == "inconclusive"
    assert (report.drifted, report.share, report.report_html) == ((), 0.0, None)
    assert explain(report) == "flight_delay: inconclusive, 199 live rows, monitoring.min_rows is 200"
    decision = decide(spec, report)
    assert not decision.retrain
    assert decision.reasons == ("inconclusive: 199 live rows, monitoring.min_rows is 200",)


def test_vanished_null_and_constant_columns_are_reported_and_the_rest_goes_on(store, sides, make_spec):
    spec = make_spec(columns=("distance", "carrier", "snow", "month", "at"), drift_share=1.0)
    training = rows_like_training(3000, seed=1).assign(month=7)
    live = rows_like_training(500, seed=2).assign(snow=None, month=7).drop(columns="carrier")
    report = look(store, sides, spec, live, training)
    columns, missing = by_name(report.columns), by_name(report.missing)
    assert columns["carrier"].note == "vanished: no live row carries it"
    assert columns["snow"].note == "all null in the window"
    assert columns["at"].note.startswith("a time")
    assert columns["month"].drifted is False
    assert columns["month"].method
    assert columns["distance"].method
    assert missing["carrier"].drifted
    assert missing["snow"].drifted
    assert report.share == 0.5
    assert report.outcome == "stable"


def test_a_column_without_training_data_is_no_drift(store, sides, make_spec):
    spec = make_spec(columns=("distance", "carrier"))
    training = rows_like_training(3000, seed=1).assign(carrier=None)
    report = look(store, sides, spec, rows_like_training(500, seed=2), training)
    assert by_name(report.columns)["carrier"].note == "all null in the training data"
    # The column that was never there and now is has a missing rate that moved.
    assert by_name(report.missing)["carrier"].drifted
    nothing = look(store, sides, spec, rows_like_training(500, seed=2).assign(carrier=None), training)
    assert nothing.drifted == ()


def test_evidentlys_own_report_is_kept_and_says_the_same(store, sides, make_spec):
    live, training = rows_like_training(500, seed=2), rows_like_training(3000, seed=1)
    report = look(store, sides, make_spec(), live, training)
    theirs = json.loads(get_bytes(store, report.report_json))
    values = {m["config"]["column"]: m["value"] for m in theirs["metrics"] if "column" in m["config"]}
    assert values == pytest.approx({one.column: one.value for one in report.columns})
    assert b"<html" in get_bytes(store, report.report_html)[:500]
    assert DriftReport.from_bytes(report.to_bytes()) == report


@pytest.mark.parametrize(
    "method, value, threshold, expected",
    [
        ("K-S p_value", 0.05, 0.05, 1.0),
        ("K-S p_value", 0.0025, 0.05, 2.0),
        ("chi-square p_value", 0.5, 0.05, 0.2313782),
        ("Jensen-Shannon distance", 0.25, 0.1, 2.5),
    ],
)
def test_strength_is_one_scale(method, value, threshold, expected):
    assert strength(method, value, threshold) == pytest.approx(expected)


def test_strength_of_a_p_value_of_zero_is_finite():
    assert 100 < strength("K-S p_value", 0.0, 0.05) < 1000
