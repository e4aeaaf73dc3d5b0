"""Intervals against the jackknife, published forms, and simulated coverage."""

from __future__ import annotations

import numpy as np
import pytest

from airflow_mlops.core.evaluation.calibration import wilson_interval
from airflow_mlops.core.evaluation.influence import influences
from airflow_mlops.core.evaluation.intervals import measure_with_intervals
from airflow_mlops.core.evaluation.metrics import known_metrics, measure, measure_one

SHARES = ("auc", "average_precision", "accuracy", "precision", "recall", "f1", "log_loss", "brier")


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def world(random, requests, rows=1, together=0.7):
    """Rows of which those of one request share what makes them hard."""
    z = random.normal(-1, 1, requests * rows)
    shared = np.repeat(random.normal(0, together, requests), rows)
    labels = (random.random(len(z)) < sigmoid(0.8 * z + shared)).astype(float)
    return labels, sigmoid(z).round(2), np.repeat(np.arange(requests), rows)


def quantity(name, labels, scores):
    """The quantity whose influences are given, from the metric itself."""
    value = measure_one(name, labels, scores)
    return {"f1": value / (2 - value), "rmse": value**2, "r2": 1 - value}.get(name, value)


@pytest.mark.parametrize("name", SHARES)
def test_influences_of_binary_metrics_are_what_a_left_out_row_changes(name):
    labels, scores, _ = world(np.random.default_rng(0), 400)
    found = influences(name, labels, scores)
    assert found.value == pytest.approx(quantity(name, labels, scores), rel=1e-9)
    assert found.rows.sum() == pytest.approx(0, abs=1e-9)
    for row in range(0, 400, 23):
        rest = np.arange(400) != row
        left_out = quantity(name, labels[rest], scores[rest])
        assert found.value - left_out == pytest.approx(found.rows[row], rel=0.05, abs=3e-5)


@pytest.mark.parametrize("name", known_metrics("regression"))
def test_influences_of_regression_metrics_are_what_a_left_out_row_changes(name):
    random = np.random.default_rng(0)
    labels = random.normal(size=400)
    scores = labels + random.normal(size=400)
    found = influences(name, labels, scores)
    assert found.value == pytest.approx(quantity(name, labels, scores), rel=1e-9)
    for row in range(0, 400, 23):
        rest = np.arange(400) != row
        left_out = quantity(name, labels[rest], scores[rest])
        assert found.value - left_out == pytest.approx(found.rows[row], rel=0.05, abs=1e-4)


def test_the_auc_has_the_variance_of_delong():
    """DeLong's own formula: the variances of the two kinds of components, each over its number of rows."""
    labels, scores, _ = world(np.random.default_rng(1), 300)
    hit, miss = scores[labels == 1], scores[labels == 0]
    wins = (hit[:, None] > miss) + 0.5 * (hit[:, None] == miss)
    expected = wins.mean(axis=1).var(ddof=1) / len(hit) + wins.mean(axis=0).var(ddof=1) / len(miss)
    assert (influences("auc", labels, scores).rows ** 2).sum() == pytest.approx(expected, rel=0.02)


def test_a_share_of_independent_rows_has_nearly_wilsons_interval():
    labels = np.repeat([1.0, 0.0], [1700, 300])
    found = measure_with_intervals("binary", labels, np.full(2000, 0.9))["accuracy"]
    assert (found.low, found.high) == pytest.approx(wilson_interval(1700, 2000), abs=2e-4)


def test_all_right_is_not_surely_right():
    labels = np.tile([0.0, 1.0], 20)
    found = measure_with_intervals("binary", labels, np.where(labels > 0, 0.9, 0.1))
    for name in ("accuracy", "precision", "recall", "f1", "auc"):
        assert found[name].value == pytest.approx(1.0)
        assert found[name].low < 0.95


def test_rows_of_one_request_are_one_observation():
    labels, scores, request = world(np.random.default_rng(2), 300, rows=5, together=3.0)
    alone = measure_with_intervals("binary", labels, scores)
    clustered = measure_with_intervals("binary", labels, scores, [request])
    for name in ("log_loss", "accuracy", "brier"):
        wider = (clustered[name].high - clustered[name].low) / (alone[name].high - alone[name].low)
        assert 1.2 < wider < 2.5, name
        assert clustered[name].value == alone[name].value
    repeated = measure_with_intervals(
        "binary", np.repeat(labels, 2), np.repeat(scores, 2), [np.repeat(request, 2)]
    )
    assert repeated["log_loss"].low == pytest.approx(clustered["log_loss"].low)


def test_of_two_ways_to_cluster_the_wider_counts():
    labels, scores, request = world(np.random.default_rng(2), 300, rows=5, together=3.0)
    both, *each = (
        measure_with_intervals("binary", labels, scores, ways)
        for ways in ([np.arange(len(labels)), request], [request], [np.arange(len(labels))])
    )
    for name in SHARES:
        assert both[name].low == min(one[name].low for one in each)
        assert both[name].high == max(one[name].high for one in each)


def test_too_few_requests_have_no_interval():
    labels, scores = np.tile([0.0, 1.0], 50), np.tile([0.2, 0.7], 50)
    found = measure_with_intervals("binary", labels, scores, [np.arange(100) // 50])
    assert found["accuracy"].value == 1.0
    assert all(one.low is None and one.high is None for one in found.values())


def test_without_rows_or_with_one_class_only_what_is_defined_is_there():
    assert measure_with_intervals("binary", np.zeros(0), np.zeros(0)) == {}
    found = measure_with_intervals("binary", np.zeros(50), np.linspace(0.1, 0.4, 50))
    assert set(found) == {"log_loss", "brier", "calibration_error", "accuracy"}


def test_intervals_cover_the_truth():
    """120 worlds of 150 requests with 3 rows: fewer than 106 of 95 % intervals hold once in 1,000 tries."""
    random = np.random.default_rng(3)
    truth = measure("binary", *world(random, 60_000, 3)[:2])
    held = dict.fromkeys(SHARES, 0)
    for _ in range(120):
        labels, scores, request = world(random, 150, 3)
        found = measure_with_intervals("binary", labels, scores, [request])
        for name in SHARES:
            held[name] += found[name].low <= truth[name] <= found[name].high
    assert all(106 <= count <= 120 for count in held.values()), held


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_noise_is_not_called_a_calibration_error(shift):
    random = np.random.default_rng(4)
    wrong = 0
    scores = sigmoid(random.normal(-1, 1, 500))
    truth = measure_one("calibration_error", sigmoid(np.log(scores / (1 - scores)) + shift), scores)
    for _ in range(60):
        labels = (random.random(500) < sigmoid(np.log(scores / (1 - scores)) + shift)).astype(float)
        found = measure_with_intervals("binary", labels, scores)["calibration_error"]
        assert found.low <= found.value <= found.high
        wrong += not found.low <= truth + 1e-12 or not truth <= found.high
    assert wrong <= 7
