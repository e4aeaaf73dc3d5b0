from __future__ import annotations

import math
import sys

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference

from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.core.evaluation.fairness import (
    Groups,
    compare_groups,
    fairness_difference,
    groups_of,
    require_fairlearn,
)


def flights(rows: int = 6000, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    origin = random.choice(["EWR", "JFK", "LGA"], rows, p=[0.5, 0.3, 0.2])
    scores = np.clip(random.beta(2, 4, rows) + np.where(origin == "LGA", 0.15, 0), 0, 1)
    labels = (random.random(rows) < scores).astype(float)
    return pd.DataFrame({"origin": origin}), labels, scores


@pytest.mark.parametrize("threshold", [0.3, 0.5])
def test_the_differences_are_those_of_fairlearn(threshold: float) -> None:
    frame, labels, scores = flights()
    groups = groups_of(frame, "origin")
    found = compare_groups("origin", groups, labels, scores, threshold)
    yes = scores >= threshold
    theirs = {"y_true": labels, "y_pred": yes, "sensitive_features": frame["origin"]}
    parity, odds = demographic_parity_difference(**theirs), equalized_odds_difference(**theirs)
    assert found is not None
    assert found.demographic_parity_difference == pytest.approx(parity)
    assert found.equalized_odds_difference == pytest.approx(odds)
    assert odds > 0.05
    # The bootstrap counts by itself.
    for metric, value in (("demographic_parity_difference", parity), ("equalized_odds_difference", odds)):
        assert fairness_difference(metric, groups, labels, yes) == pytest.approx(value)


def test_rates_by_hand() -> None:
    labels = np.tile([1.0, 1.0, 0.0, 0.0], 50)
    scores = np.concatenate([np.tile([0.9, 0.1, 0.1, 0.1], 25), np.tile([0.9, 0.9, 0.9, 0.1], 25)])
    groups = Groups(np.repeat([0, 1], 100), ("a", "b"))
    found = compare_groups("team", groups, labels, scores, 0.5)
    assert found is not None
    rates = [(one.selection_rate, one.true_positive_rate, one.false_positive_rate) for one in found.groups]
    assert rates == [(0.25, 0.5, 0.0), (0.75, 1.0, 0.5)]
    assert [one.rows for one in found.groups] == [100, 100]
    assert (found.demographic_parity_difference, found.equalized_odds_difference) == (0.5, 0.5)
    assert found.groups[0].metrics["accuracy"] == 0.75


def test_small_groups_are_left_out_and_counted_and_missing_values_are_a_group() -> None:
    frame = pd.DataFrame({"team": ["a"] * 100 + ["b"] * 49 + [None] * 60})
    groups = groups_of(frame, "team")
    assert groups.names == ("(missing)", "a")
    labels = np.tile([0.0, 1.0], 105)[:209]
    found = compare_groups("team", groups, labels, labels, 0.5)
    assert found is not None
    assert (found.left_out, [one.group for one in found.groups]) == (49, ["(missing)", "a"])


def test_a_rate_among_few_is_left_out() -> None:
    labels = np.concatenate([np.tile([0.0, 1.0], 50), np.zeros(95), np.ones(5)])
    scores = np.concatenate([np.tile([0.1, 0.9], 50), np.full(100, 0.1)])
    groups = Groups(np.repeat([0, 1], 100), ("a", "b"))
    found = compare_groups("team", groups, labels, scores, 0.5)
    assert found is not None
    assert found.groups[1].true_positive_rate is None
    # Among the five late ones of b none was found, which says nothing; b's false alarms are as rare as a's.
    assert found.equalized_odds_difference == 0.0
    assert fairness_difference("equalized_odds_difference", groups, labels, scores >= 0.5) == 0.0


@pytest.mark.parametrize("teams,left_out", [(["a"] * 100, 0), ([str(one) for one in range(100)], 100)])
def test_fewer_than_two_groups_have_no_difference(teams: list[str], left_out: int) -> None:
    groups = groups_of(pd.DataFrame({"team": teams}), "team")
    labels = np.tile([0.0, 1.0], 50)
    found = compare_groups("team", groups, labels, labels, 0.5)
    assert found is not None
    assert (found.demographic_parity_difference, found.equalized_odds_difference) == (None, None)
    assert found.left_out == left_out
    assert fairness_difference("demographic_parity_difference", groups, labels, labels > 0.5) is None


def test_broken_scores_are_not_compared() -> None:
    frame, labels, scores = flights(200)
    scores[3] = math.nan
    assert compare_groups("origin", groups_of(frame, "origin"), labels, scores, 0.5) is None


def test_too_many_groups() -> None:
    frame = pd.DataFrame({"id": np.repeat(np.arange(201), 50)})
    with pytest.raises(DataError, match="column id has too many groups to compare; given 201"):
        groups_of(frame, "id")


def test_without_fairlearn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    with pytest.raises(
        PlatformError, match=r"fairlearn is not installed; pip install 'airflow-mlops\[audit\]'"
    ):
        require_fairlearn()
