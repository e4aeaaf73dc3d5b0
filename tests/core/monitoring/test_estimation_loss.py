"""Errors of a regression before labels come, against those that are measured later."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.evaluation.metrics import measure
from airflow_mlops.core.monitoring.estimation.loss import learn_losses

DAY = 86_400 * 10**6


def world(random, rows, share=0.3, hard=1.0):
    """Errors are three times as large on bad roads, and grow with the distance."""
    frame = pd.DataFrame({"road": random.choice(["bad", "good"], rows, p=[share, 1 - share])})
    frame["far"] = random.random(rows)
    size = np.where(frame["road"] == "bad", 3.0, 1.0) * (0.5 + frame["far"]) * hard
    scores = 10 * frame["far"].to_numpy()
    return frame, scores + random.normal(0, 1, rows) * size.to_numpy(), scores


def learned(random, rows=4000):
    frame, labels, scores = world(random, rows)
    times = np.sort(random.integers(0, 30 * DAY, rows))
    return learn_losses(frame, labels, scores, times, timedelta(days=1), ["road", "far"])


@pytest.fixture(scope="module")
def model():
    return learned(np.random.default_rng(0))


def test_the_estimate_follows_the_inputs(model):
    random = np.random.default_rng(1)
    for share in (0.1, 0.9):
        frame, labels, scores = world(random, 20_000, share)
        found, measured = model.estimate(frame, scores), measure("regression", labels, scores)
        for name in ("mae", "rmse"):
            assert found[name].value == pytest.approx(measured[name], rel=0.08)
            assert found[name].low < found[name].value < found[name].high


def test_the_interval_holds_under_covariate_shift():
    random = np.random.default_rng(2)
    held = {"mae": 0, "rmse": 0}
    for _ in range(20):
        model = learned(random, 2000)
        frame, labels, scores = world(random, 500, share=0.7)
        measured = measure("regression", labels, scores)
        for name, one in model.estimate(frame, scores).items():
            held[name] += one.low <= measured[name] <= one.high
    assert all(count >= 16 for count in held.values()), held


def test_harder_rows_that_look_the_same_are_not_seen(model):
    frame, labels, scores = world(np.random.default_rng(3), 5000, hard=2.0)
    assert measure("regression", labels, scores)["rmse"] > model.estimate(frame, scores)["rmse"].high


def test_vanished_columns_new_levels_and_text_for_numbers_are_missing_values(model):
    random = np.random.default_rng(4)
    frame, _, scores = world(random, 300)
    for odd in (
        frame.drop(columns="road"),
        frame.assign(road="muddy"),
        frame.assign(road=None),
        frame.assign(far="far away"),
        frame.assign(far=frame["far"].astype(str)),
        frame.assign(far=np.inf),
    ):
        found = model.estimate(odd, scores)
        assert all(np.isfinite([one.low, one.value, one.high]).all() for one in found.values())
    assert model.estimate(frame.assign(far=frame["far"].astype(str)), scores) == model.estimate(frame, scores)
    assert model.estimate(frame.iloc[:0], scores[:0]) == {}
