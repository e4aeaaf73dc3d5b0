from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from airflow_mlops.core.evaluation.calibration import calibration_of, wilson_interval
from airflow_mlops.core.evaluation.metrics import calibration_error


@pytest.mark.parametrize("positives,rows", [(0, 10), (3, 10), (10, 10), (250, 1000), (1, 1)])
def test_the_interval_is_wilsons(positives: int, rows: int) -> None:
    known = binomtest(positives, rows).proportion_ci(0.95, method="wilson")
    assert wilson_interval(positives, rows) == pytest.approx((known.low, known.high), abs=1e-6)


def test_bins_of_equal_mass_add_up_to_the_calibration_error() -> None:
    random = np.random.default_rng(0)
    scores = random.beta(1, 3, 3000)
    labels = (random.random(3000) < scores**1.5).astype(float)
    found = calibration_of(labels, scores, scores**1.5)
    assert found is not None
    assert [one.rows for one in found.bins] == [200] * 15
    gaps = sum(one.rows * abs(one.predicted - one.observed) for one in found.bins) / 3000
    assert gaps == pytest.approx(found.error) == pytest.approx(calibration_error(labels, scores))
    assert found.champion_error is not None
    assert found.champion_error < found.error / 2
    assert all(one.low <= one.observed <= one.high for one in found.bins)
    assert [one.predicted for one in found.bins] == sorted(one.predicted for one in found.bins)


def test_equal_scores_share_a_bin() -> None:
    found = calibration_of(np.array([0.0, 1, 1, 0]), np.full(4, 0.3), None)
    assert found is not None
    assert [(one.rows, one.observed) for one in found.bins] == [(4, 0.5)]
    assert found.bins[0].predicted == pytest.approx(0.3)


def test_broken_scores_have_no_curve() -> None:
    labels, scores = np.array([0.0, 1.0]), np.array([0.2, math.nan])
    assert calibration_of(labels, scores, None) is None
    found = calibration_of(labels, labels, scores)
    assert found is not None
    assert found.champion_error is None
