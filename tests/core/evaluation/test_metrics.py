from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from airflow_mlops.core.evaluation.metrics import calibration_error, known_metrics, measure
from airflow_mlops.core.gates import HIGHER_IS_BETTER, LOWER_IS_BETTER

LABELS = np.array([0.0, 0, 1, 1])
SCORES = np.array([0.1, 0.4, 0.35, 0.8])


def test_binary_metrics_by_hand() -> None:
    found = measure("binary", LABELS, SCORES)
    assert found["auc"] == pytest.approx(0.75)
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())
    assert found["brier"] == pytest.approx(np.mean([0.01, 0.16, 0.4225, 0.04]))
    assert (found["accuracy"], found["precision"], found["recall"]) == (0.75, 1.0, 0.5)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["calibration_error"] == pytest.approx(np.mean([0.1, 0.4, 0.65, 0.2]))


def test_regression_metrics_by_hand() -> None:
    found = measure("regression", np.array([1.0, 2, 3]), np.array([1.0, 2, 5]))
    assert found == pytest.approx({"rmse": math.sqrt(4 / 3), "mae": 2 / 3, "r2": 1 - 4 / 2})


def test_what_is_not_defined_is_left_out() -> None:
    zeros, low = np.zeros(5), np.full(5, 0.2)
    assert set(measure("binary", zeros, low)) == {"log_loss", "brier", "calibration_error", "accuracy"}
    assert set(measure("binary", np.ones(5), low)) == set(known_metrics("binary")) - {
        "auc",
        "average_precision",
        "precision",
    }
    assert set(measure("regression", zeros, low)) == {"rmse", "mae"}
    assert measure("binary", np.array([]), np.array([])) == {}


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_broken_score_has_no_quality(broken: float) -> None:
    assert measure("binary", LABELS, np.array([0.1, broken, 0.5, 0.9])) == {}
    assert measure("regression", LABELS, np.array([0.1, broken, 0.5, 0.9])) == {}


def test_every_metric_has_a_direction() -> None:
    assert {*known_metrics("binary"), *known_metrics("regression")} <= HIGHER_IS_BETTER | LOWER_IS_BETTER


SCORED = st.integers(2, 200).flatmap(
    lambda size: st.tuples(
        arrays.arrays(float, size, elements=st.sampled_from([0.0, 1.0])),
        arrays.arrays(float, size, elements=st.floats(0, 1)),
    )
)


@settings(max_examples=60, deadline=None)
@given(SCORED, st.randoms(use_true_random=False))
def test_metrics_are_finite_and_do_not_depend_on_the_order(scored: tuple, random) -> None:
    labels, scores = scored
    order = list(range(len(labels)))
    random.shuffle(order)
    found = measure("binary", labels, scores)
    assert all(math.isfinite(value) for value in found.values())
    assert found == pytest.approx(measure("binary", labels[order], scores[order]))


def test_calibration_error_of_known_models() -> None:
    random = np.random.default_rng(0)
    rate = random.random(100_000)
    labels = (random.random(len(rate)) < rate).astype(float)
    assert calibration_error(labels, rate) < 0.01
    assert calibration_error(labels, np.clip(rate + 0.2, 0, 1.2)) == pytest.approx(0.2, abs=0.01)
    assert calibration_error(labels, np.full(len(rate), 0.5)) == pytest.approx(abs(labels.mean() - 0.5))
