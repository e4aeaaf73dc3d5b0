"""CBPE against its definition, against Monte Carlo, and against labels that come later."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.evaluation.metrics import known_metrics, measure
from airflow_mlops.core.monitoring.estimation.calibration import (
    ISOTONIC_FROM,
    Calibration,
    calibrate,
    shifted,
    time_blocks,
    variance_between,
)
from airflow_mlops.core.monitoring.estimation.classifier import estimate, expected_metrics

DAY = 86_400 * 10**6


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def world(random, rows, mean=0.0, day=0.0, concept=0.0):
    """Scores that are not calibrated, and labels. :param day: shift of the log odds; ``concept``: of their slope."""
    x = random.normal(mean, 1, rows)
    labels = (random.random(rows) < sigmoid((1 + concept) * x - 0.8 + day)).astype(float)
    return labels, sigmoid(1.3 * x - 0.7)


def learned(random, rows=4000, days=30, spread=0.0, period=timedelta(days=1)):
    times = np.sort(random.integers(0, days * DAY, rows))
    shifts = random.normal(0, spread, days)[times // DAY]
    labels, scores = world(random, rows, day=shifts)
    return calibrate(labels, scores, times, period)


def surely(probabilities, scores):
    """A calibration that is known: no draw differs."""
    return Calibration("isotonic", scores, probabilities, np.tile(probabilities, (400, 1)), 0.0, 1)


def test_expected_metrics_are_those_of_the_expected_confusion_matrix():
    """By hand: yes to 0.9 and 0.6, no to 0.2 and 0.1."""
    scores, p = np.array([0.9, 0.6, 0.2, 0.1]), np.array([0.8, 0.5, 0.3, 0.0])
    found = expected_metrics(scores, p)
    true_positives, false_positives, false_negatives, true_negatives = 1.3, 0.7, 0.3, 1.7
    assert found["accuracy"] == pytest.approx((true_positives + true_negatives) / 4)
    assert found["precision"] == pytest.approx(true_positives / (true_positives + false_positives))
    assert found["recall"] == pytest.approx(true_positives / (true_positives + false_negatives))
    assert found["f1"] == pytest.approx(2 * 1.3 / (2 * 1.3 + 0.7 + 0.3))
    assert found["brier"] == pytest.approx(
        (0.8 * 0.01 + 0.2 * 0.81 + 0.5 * 0.16 + 0.5 * 0.36 + 0.3 * 0.64 + 0.7 * 0.04 + 0.01) / 4
    )
    assert found["log_loss"] == pytest.approx(-np.mean(p * np.log(scores) + (1 - p) * np.log(1 - scores)))
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    ranked = sum(p[i] * (1 - p[j]) * (scores[i] > scores[j]) for i, j in pairs)
    assert found["auc"] == pytest.approx(ranked / sum(p[i] * (1 - p[j]) for i, j in pairs))
    assert found["average_precision"] == pytest.approx((0.8 * 0.8 + 0.5 * 1.3 / 2 + 0.3 * 1.6 / 3) / 1.6)


def test_expected_metrics_are_the_mean_over_worlds_of_labels():
    random = np.random.default_rng(0)
    scores = sigmoid(random.normal(-0.5, 1, 300)).round(2)
    p = np.clip(scores + 0.05, 0, 1)
    worlds = [measure("binary", (random.random(300) < p).astype(float), scores) for _ in range(150)]
    found = {**expected_metrics(scores, p), "calibration_error": estimate_of(scores, p)}
    for name in known_metrics("binary"):
        values = [one[name] for one in worlds]
        assert found[name] == pytest.approx(np.mean(values), abs=0.015), name


def estimate_of(scores, p):
    knots, first = np.unique(scores, return_index=True)
    return estimate(scores, surely(p[first], knots))["calibration_error"].value


def test_the_interval_is_that_of_what_will_be_measured():
    """With a known calibration, of 100 worlds fewer than 87 lie within once in 1,000 tries."""
    random = np.random.default_rng(1)
    scores = np.sort(sigmoid(random.normal(-0.5, 1, 400)))
    p = scores**1.2
    found = estimate(scores, surely(p, scores))
    held = dict.fromkeys(found, 0)
    for _ in range(100):
        measured = measure("binary", (random.random(400) < p).astype(float), scores)
        for name, one in found.items():
            held[name] += one.low <= measured[name] <= one.high
    assert set(found) == set(known_metrics("binary"))
    assert all(87 <= count <= 100 for count in held.values()), held


def coverage(random, rounds, window, **shift):
    held: dict[str, int] = dict.fromkeys(known_metrics("binary"), 0)
    for _ in range(rounds):
        calibration = learned(random)
        labels, scores = world(random, window, **shift)
        measured = measure("binary", labels, scores)
        for name, one in estimate(scores, calibration).items():
            held[name] += one.low <= measured[name] <= one.high
    return held


def test_the_interval_holds_under_covariate_shift():
    """Inputs a whole standard deviation off; labels mean what they did."""
    held = coverage(np.random.default_rng(2), 20, 1000, mean=1.0)
    assert all(count >= 15 for count in held.values()), held


@pytest.mark.long
def test_the_coverage_under_covariate_shift_is_about_95_percent():
    held = coverage(np.random.default_rng(3), 100, 1000, mean=1.0)
    assert all(82 <= count <= 100 for count in held.values()), held
    assert np.mean(list(held.values())) >= 90


def test_concept_drift_is_not_seen():
    """The documented limit: the scores are as ever, so the estimate is, and the truth is elsewhere."""
    held = coverage(np.random.default_rng(4), 5, 3000, concept=-0.6)
    assert held["log_loss"] == held["auc"] == 0


def test_few_rows_are_calibrated_by_two_parameters_and_many_freely():
    random = np.random.default_rng(5)
    few, many = learned(random, 1000), learned(random, 5 * ISOTONIC_FROM)
    assert (few.method, many.method) == ("platt", "isotonic")
    for found in (few, many):
        assert (np.diff(found.fitted) >= 0).all()
        x = np.array([-1.0, 0.0, 1.0])
        np.testing.assert_allclose(
            found.probabilities(sigmoid(1.3 * x - 0.7)), sigmoid(x - 0.8), atol=0.08 if found is few else 0.05
        )


def test_labels_that_the_scores_separate_are_calibrated_too():
    labels = np.repeat([0.0, 1.0], 60)
    found = calibrate(labels, np.linspace(0.01, 0.99, 120), np.arange(120) * DAY // 4, timedelta(days=1))
    assert found.method == "platt"
    assert np.isfinite(found.draws).all()
    assert found.probabilities(np.array([0.01, 0.99])).round(1).tolist() == [0.0, 1.0]


def test_what_periods_differ_by_is_learned_and_widens_the_interval():
    random = np.random.default_rng(6)
    steady, moving = learned(random, 20_000), learned(random, 20_000, spread=0.4)
    assert steady.spread < 0.1
    assert 0.2 < moving.spread < 0.6
    scores = world(random, 5000)[1]
    narrow, wide = (estimate(scores, one)["log_loss"] for one in (steady, moving))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_longer_periods_average_out_what_days_differ_by():
    spreads = [
        learned(np.random.default_rng(7), 20_000, spread=0.4, period=timedelta(days=days)).spread
        for days in (1, 30)
    ]
    assert spreads[1] < 0.7 * spreads[0]


def test_the_variance_between_is_dersimonian_and_lairds():
    """Two effects, 0 and 1, each with precision 4: Q = 2, so (2 - 1) / (8 - 32 / 8) = 1/4."""
    assert variance_between(np.array([0.0, 1.0]), np.array([4.0, 4.0])) == pytest.approx(0.25)
    assert variance_between(np.array([0.5, 0.5]), np.array([4.0, 4.0])) == 0.0


def test_shifts_are_of_the_log_odds():
    assert shifted(np.array([0.0, 0.5, 1.0]), np.array(np.log(3))).tolist() == [0.0, pytest.approx(0.75), 1.0]


def test_blocks_of_time_or_single_rows_where_all_is_at_once():
    assert time_blocks(np.array([0, 1, 2, 9]), 2).tolist() == [0, 0, 0, 1]
    assert time_blocks(np.arange(100), 10).tolist() == (np.arange(100) // 10).tolist()
    assert time_blocks(np.zeros(4, dtype=np.int64), 30).tolist() == [0, 1, 2, 3]


def test_rows_at_the_same_moment_are_calibrated():
    random = np.random.default_rng(8)
    labels, scores = world(random, 600)
    found = calibrate(labels, scores, np.zeros(600, dtype=np.int64), timedelta(days=1))
    assert np.isfinite(found.draws).all()


def test_the_same_scores_give_the_same_estimate_and_none_give_none():
    calibration = learned(np.random.default_rng(9))
    scores = np.linspace(0.05, 0.9, 500)
    assert estimate(scores, calibration) == estimate(scores, calibration)
    assert estimate(np.zeros(0), calibration) == {}


def test_a_metric_that_is_hardly_ever_defined_is_left_out():
    """No score reaches 0.5: there is no answer of yes whose precision could be measured."""
    found = estimate(np.linspace(0.01, 0.2, 200), learned(np.random.default_rng(9)))
    assert "precision" not in found
    assert found["recall"].value == 0.0
