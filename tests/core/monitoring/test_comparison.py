from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.monitoring.comparison import compare
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.usual import UsualChange, UsualEffect
from airflow_mlops.core.monitoring.wording import explain, findings
from tests.core.monitoring.traffic import rows_like_training

IMPORTANCE = {"distance": 0.06, "carrier": 0.03, "snow": 0.01, "at": 0.1}


def by_name(report):
    return {one.column: one for one in report.columns}


@pytest.fixture
def look(sides, make_spec):
    """A report of a window and the training data; keywords are of the section drift, or of ``compare``."""

    def make(
        live, training, *, answers=None, scores=None, importance=None, usual=None, columns=None, **drift
    ):
        spec = make_spec(**({"columns": columns} if columns else {}), drift=drift)
        return compare(
            spec, *sides(spec, live, training, answers, scores), importance=importance, usual=usual
        )

    return make


@pytest.mark.parametrize("rows", [900, 5000])
def test_same_data_are_stable_and_a_shift_is_seen(look, rows):
    training, live = rows_like_training(rows, seed=1), rows_like_training(800, seed=2)
    stable = look(live, training)
    assert (stable.outcome, stable.drifted, stable.share) == ("stable", (), 0.0)
    assert stable.reason == "0 of 4 columns drifted"
    assert all(one.p_value > 0.001 and one.method for one in stable.columns)

    live["distance"] = live["distance"] + 600
    live["carrier"] = live["carrier"].replace({"UA": "XX"})
    report = look(live, training, importance=IMPORTANCE)
    assert report.outcome == "drift"
    assert set(report.drifted) == {"distance", "carrier"}
    # The rest of the importance is on a column that is not watched.
    assert report.share == pytest.approx(0.09 / 0.2)
    assert (report.rows, report.compared_rows, report.reference_compared_rows) == (800, 800, rows)
    assert by_name(report)["distance"].adjusted < 1e-10
    carrier = by_name(report)["carrier"].movements
    assert {one.aspect for one in carrier} == {"values", "new values"}
    assert all(one.effect == pytest.approx(0.5, abs=0.06) for one in carrier)
    assert DriftReport.from_bytes(report.to_bytes()) == report


def test_what_matters_most_is_named_first_and_said_in_words(look):
    training, live = rows_like_training(5000, seed=1), rows_like_training(800, seed=2)
    live["distance"] += 900
    live.loc[: int(len(live) * 0.6) - 1, "carrier"] = None
    report = look(live, training, importance=IMPORTANCE)
    assert report.drifted == ("distance", "carrier")
    line = explain(report)
    assert "\n" not in line
    assert line.startswith("flight_delay: 2 of 4 columns drifted; a classifier tells the rows apart, AUC ")
    assert "distance: above 14" in line
    assert "carrier: missing 0% -> 60% (moved by 0.60, 15% of the importance)" in line
    other = look(live, training, importance={"carrier": 1.0, "distance": 0.1})
    assert findings(other)[0].startswith("carrier: missing")


def test_too_few_rows_are_inconclusive_and_never_drift(look):
    live = rows_like_training(199, seed=2).assign(distance=9000)
    report = look(live, rows_like_training(900, seed=1))
    assert (report.outcome, report.drifted, report.share, report.columns) == ("inconclusive", (), 0.0, ())
    assert explain(report) == "flight_delay: inconclusive, 199 live rows, monitoring.min_rows is 200"


def test_nothing_to_compare_with_is_inconclusive(look):
    report = look(rows_like_training(500, seed=2), rows_like_training(0, seed=1))
    assert (report.outcome, report.reason) == ("inconclusive", "the training data have no rows")
    empty = rows_like_training(500, seed=2).assign(distance=np.nan)
    nothing = look(empty, empty, columns=("distance",))
    assert (nothing.outcome, nothing.reason) == ("inconclusive", "no column could be compared")


def test_vanished_null_and_constant_columns_are_reported_and_the_rest_goes_on(look):
    training = rows_like_training(3000, seed=1).assign(month=7)
    live = rows_like_training(500, seed=2).assign(month=7).drop(columns="carrier")
    live["snow"] = pd.array([None] * 500, dtype="boolean")
    report = look(live, training, columns=("distance", "carrier", "snow", "month", "at"))
    columns = by_name(report)
    assert columns["carrier"].note == "vanished: no live row carries it"
    assert columns["carrier"].movements[0].aspect == "vanished"
    assert columns["snow"].note == "all null in the window"
    assert columns["snow"].movements[0].said == "missing 0% -> 100%"
    assert columns["at"].note.startswith("a time")
    assert columns["month"].note == "constant on both sides"
    assert report.drifted == ("carrier", "snow")
    assert columns["distance"].p_value > 0.001


def test_a_column_that_was_never_there(look):
    training, live = rows_like_training(3000, seed=1).assign(carrier=None), rows_like_training(500, seed=2)
    report = look(live, training, columns=("distance", "carrier"))
    assert by_name(report)["carrier"].note == "all null in the training data"
    assert report.drifted == ("carrier",)
    assert look(live.assign(carrier=None), training, columns=("distance", "carrier")).outcome == "stable"
    # A category that is mostly null and then wholly: nothing of size has vanished.
    training["carrier"] = ["UA"] * 30 + [None] * 2970
    assert look(live.drop(columns="carrier"), training, columns=("distance", "carrier")).outcome == "stable"


def test_numbers_as_text_infinities_and_huge_numbers(look):
    training, live = rows_like_training(3000, seed=1), rows_like_training(500, seed=2)
    text = live.assign(distance=live["distance"].astype(str), month=live["month"].astype(str))
    assert look(text, training).outcome == "stable"
    words = live.assign(distance="far")
    assert by_name(look(words, training))["distance"].movements[0].said == "missing 0% -> 100%"
    odd = live.assign(distance=np.where(np.arange(500) % 2, 1e300, np.inf))
    report = look(odd, training)
    assert report.drifted == ("distance",)
    assert {one.aspect for one in by_name(report)["distance"].movements} == {"values", "missing", "range"}
    assert DriftReport.from_bytes(report.to_bytes()) == report


def test_what_is_certain_but_small_does_not_count(look):
    training, live = rows_like_training(20_000, seed=1), rows_like_training(20_000, seed=2)
    live["distance"] += 40  # 5 % of the rows
    report = look(live, training, classifier=False)
    column = by_name(report)["distance"]
    assert column.p_value < 1e-12
    assert column.effect == pytest.approx(0.053, abs=0.015)
    assert (column.drifted, column.adjusted, report.outcome) == (False, None, "stable")
    assert look(live, training, classifier=False, least=0.03).drifted == ("distance",)


def test_predictions_are_watched_like_a_column(look):
    training, live = rows_like_training(3000, seed=1), rows_like_training(600, seed=2)
    draw = np.random.default_rng(0)
    held = draw.beta(2, 6, 2000)
    same = look(live, training, answers=draw.beta(2, 6, 600), scores=held)
    assert by_name(same)["prediction"].p_value > 0.001
    report = look(live, training, answers=draw.beta(4, 4, 600), scores=held, importance=IMPORTANCE)
    assert (report.outcome, report.drifted, report.share) == ("drift", ("prediction",), 0.0)


def test_a_changed_relation_is_drift_without_a_drifted_column(look):
    draw = np.random.default_rng(0)
    training, live = rows_like_training(4000, seed=1), rows_like_training(1500, seed=2)
    live["distance"] = np.where(live["snow"], draw.permutation(np.sort(live["distance"])), live["distance"])
    training["month"] = (training["distance"] // 10) % 3
    live["month"] = draw.integers(0, 3, len(live))
    training["distance"], live["distance"] = training["distance"] % 30, live["distance"] % 30
    report = look(live, training, columns=("distance", "month", "carrier"))
    assert (report.outcome, report.drifted) == ("drift", ())
    assert report.multivariate.drifted
    assert set(report.multivariate.columns) == {"distance", "month"}
    assert "by " in report.reason
    without = look(live, training, columns=("distance", "month", "carrier"), classifier=False)
    assert (without.outcome, without.multivariate) == ("stable", None)
    # A classifier that tells any window of the training data from the rest says nothing about this one.
    useless = UsualChange(windows=50, auc=0.99)
    assert look(live, training, columns=("distance", "month", "carrier"), usual=useless).multivariate is None


def test_a_change_that_windows_of_the_training_data_show_does_not_count(look):
    training, live = rows_like_training(5000, seed=1), rows_like_training(800, seed=2)
    live["distance"] += 300  # a third of the rows
    usual = UsualChange(
        windows=50, auc=0.9, effects=(UsualEffect(column="distance", aspect="values", effect=0.5),)
    )
    assert look(live, training).outcome == "drift"
    assert look(live, training, usual=usual).outcome == "stable"
    live.loc[:500, "distance"] = np.nan  # of which nothing was usual
    assert look(live, training, usual=usual).drifted == ("distance",)


def twenty(draw, n):
    return pd.DataFrame({name: draw.normal(size=n) for name in NAMES})


NAMES = tuple(f"x{number:02d}" for number in range(20))


@pytest.fixture
def wide(make_spec, sides, version, monkeypatch):
    """A report of twenty columns of numbers; without the classifier unless it is asked for."""
    from airflow_mlops.core.monitoring.columns import Watched
    from airflow_mlops.core.monitoring.window import Reference, Window
    from tests.core.monitoring.traffic import NOW

    columns = [Watched(name, "number", "number") for name in NAMES]

    def make(live, training, classifier=False, importance=None):
        spec = make_spec(columns=NAMES, drift={"classifier": classifier})
        window = Window(NOW, NOW, 3, len(live), live, np.empty(0), {})
        return compare(
            spec, columns, window, Reference(version, training, np.empty(0)), importance=importance
        )

    return make


@pytest.mark.parametrize("n", [500, 5000])
@pytest.mark.parametrize("seed", range(3))
def test_a_null_column_and_a_shift_of_twenty_are_always_flagged_and_named_first(wide, n, seed):
    draw = np.random.default_rng(seed)
    training, live = twenty(draw, 5000), twenty(draw, n)
    live["x03"] += 3
    live.loc[draw.random(n) < 0.6, "x07"] = np.nan
    report = wide(live, training, importance=dict.fromkeys(NAMES, 0.01) | {"x03": 1.0, "x07": 0.5})
    assert report.outcome == "drift"
    assert report.drifted == ("x03", "x07")
    for name in ("x03", "x07"):
        alone = twenty(draw, n).assign(**{name: live[name]})
        assert wide(alone, training).drifted == (name,)


def test_no_change_in_twenty_columns_is_rarely_called_drift(wide):
    draw = np.random.default_rng(6)
    training = twenty(draw, 3000)
    drift = sum(wide(twenty(draw, 500), training).outcome == "drift" for _ in range(40))
    assert drift <= 5  # with 5 %, more come with a probability of 0.014


@pytest.mark.long
def test_no_change_with_the_classifier_is_rarely_called_drift(wide):
    draw = np.random.default_rng(7)
    training = twenty(draw, 10_000)
    drift = sum(wide(twenty(draw, 500), training, classifier=True).outcome == "drift" for _ in range(60))
    assert drift <= 8  # with 5 %, more come with a probability of 0.002
