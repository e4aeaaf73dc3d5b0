from __future__ import annotations

import math

import numpy as np
import pytest

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.costs import Threshold, choose_threshold, cost_result, mean_cost
from airflow_mlops.spec import Costs

COSTS = Costs(true_positive=20, false_positive=20, false_negative=100, currency="USD")


def calibrated(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    scores = random.beta(1, 3, rows)
    return (random.random(rows) < scores).astype(float), scores


def test_costs_by_hand() -> None:
    labels, scores = np.array([1.0, 1, 0, 0]), np.array([0.9, 0.2, 0.5, 0.1])
    costs = Costs(true_positive=-5, false_positive=1, false_negative=10, true_negative=0.5)
    assert mean_cost(costs, labels, scores, 0.5) == pytest.approx((-5 + 10 + 1 + 0.5) / 4)
    assert mean_cost(costs, labels, scores, 0.0) == pytest.approx((-5 - 5 + 1 + 1) / 4)
    assert mean_cost(costs, np.array([]), np.array([]), 0.5) is None
    assert mean_cost(costs, labels, np.array([0.9, math.nan, 0.5, 0.1]), 0.5) is None


def test_the_curve_is_the_mean_cost_at_each_threshold() -> None:
    labels, scores = calibrated(500, 0)
    scores = np.round(scores, 1)  # ties
    found = cost_result(COSTS, Threshold(0.3, "spec"), labels, scores, None)
    assert found is not None
    assert [one.threshold for one in found.curve] == sorted({one.threshold for one in found.curve})
    for point in found.curve:
        assert point.cost == pytest.approx(mean_cost(COSTS, labels, scores, point.threshold))
    assert (found.curve[0].threshold, found.curve[-1].threshold) == (0.0, 1.0)
    assert found.curve[0].cost == pytest.approx(found.yes_to_all)
    assert found.yes_to_all == pytest.approx(20)
    assert found.no_to_all == pytest.approx(100 * labels.mean())
    assert found.best.cost == min(one.cost for one in found.curve)
    assert (found.threshold, found.chosen_on, found.champion, found.currency) == (0.3, "spec", None, "USD")


def test_the_chosen_threshold_is_near_the_one_that_theory_gives() -> None:
    labels, scores = calibrated(40_000, 1)
    chosen = choose_threshold(COSTS, "validation", labels, scores)
    # Elkan, "The foundations of cost-sensitive learning", 2001: 20 / (20 + 100 - 20).
    assert chosen.value == pytest.approx(0.2, abs=0.04)
    assert chosen.chosen_on == "validation"
    assert choose_threshold(Costs(false_positive=1), "training", labels, scores).value > scores.max() - 0.2
    assert choose_threshold(Costs(false_negative=1), "training", labels, scores).value == 0.0


def test_the_champion_is_held_to_the_same_threshold() -> None:
    labels, scores = calibrated(2000, 2)
    found = cost_result(COSTS, Threshold(0.2, "validation"), labels, scores, np.full(2000, 0.1))
    assert found is not None
    assert found.champion == pytest.approx(found.no_to_all)
    assert found.cost < min(found.yes_to_all, found.no_to_all)


def test_broken_and_constant_scores() -> None:
    labels = np.tile([0.0, 1.0], 50)
    broken = np.full(100, math.nan)
    assert cost_result(COSTS, Threshold(0.5, "spec"), labels, broken, None) is None
    with pytest.raises(DataError, match="no threshold can be chosen on the validation part"):
        choose_threshold(COSTS, "validation", labels, broken)
    constant = cost_result(COSTS, Threshold(0.5, "spec"), labels, np.full(100, 0.3), broken)
    assert constant is not None
    assert [one.threshold for one in constant.curve] == [0.0, 0.3, 1.0]
    assert constant.champion is None
