from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from airflow_mlops.core.monitoring.two_sample.classifier import auc_of, tell_apart

NAMES = [f"x{number}" for number in range(8)]


def rows(draw, n):
    return pd.DataFrame(draw.normal(size=(n, len(NAMES))), columns=NAMES)


def test_the_auc_and_its_p_value_are_mann_whitneys():
    draw = np.random.default_rng(0)
    scores, side = draw.integers(0, 12, 400) / 10.0, np.repeat([0.0, 1.0], [250, 150])
    expected = mannwhitneyu(
        scores[side == 1], scores[side == 0], alternative="greater", method="asymptotic", use_continuity=False
    )
    auc, p_value = auc_of(scores, side)
    assert auc == pytest.approx(expected.statistic / (250 * 150))
    assert p_value == pytest.approx(expected.pvalue)
    assert auc_of(np.zeros(400), side) == (0.5, 1.0)


def test_no_change_is_told_apart_no_more_often_than_the_level_says():
    draw = np.random.default_rng(1)
    reference = rows(draw, 500)[NAMES[:3]]
    found = [tell_apart(reference, rows(draw, 200)[NAMES[:3]]).p_value for _ in range(40)]
    assert np.mean(np.array(found) <= 0.1) <= 0.1 + 0.143  # three standard errors


@pytest.mark.parametrize("n", [500, 3000])
def test_a_changed_relation_of_two_columns_is_found_and_both_are_named(n):
    draw = np.random.default_rng(2)
    live = rows(draw, n)
    live["x3"] = 0.8 * live["x1"] + 0.6 * live["x3"]  # still standard normal
    found = tell_apart(rows(draw, 5000), live, level=0.01)
    assert found.p_value < 1e-4
    assert found.auc > 0.6
    assert set(found.columns[:2]) == {"x1", "x3"}


def test_categories_and_missing_values_are_seen():
    draw = np.random.default_rng(3)
    before, live = rows(draw, 2000)[["x0"]], rows(draw, 1000)[["x0"]]
    before["kind"] = draw.choice(["a", "b", None], len(before))
    live["kind"] = np.where(live["x0"] > 0, "a", "b")  # as frequent as before, but now it depends
    found = tell_apart(before, live, level=0.01)
    assert found.p_value < 1e-10
    assert "kind" in found.columns


def test_the_same_frames_give_the_same_answer_and_too_little_gives_none():
    draw = np.random.default_rng(4)
    before, live = rows(draw, 400), rows(draw, 200)
    assert tell_apart(before, live) == tell_apart(before, live)
    assert tell_apart(before, live.iloc[:2]) is None
    assert tell_apart(before[[]], live[[]]) is None


def test_columns_that_say_nothing():
    same = pd.DataFrame({"x": np.ones(300), "y": np.full(300, np.nan)})
    assert tell_apart(same, same).auc == 0.5
