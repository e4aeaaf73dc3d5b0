from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from airflow_mlops.core.evaluation.gating import Measured
from airflow_mlops.core.evaluation.measuring import Answers, measured
from airflow_mlops.core.evaluation.scored import Scored
from airflow_mlops.core.gates import Gate
from airflow_mlops.spec import Costs

HALF = Answers(0.5, None)


def scored(labels: Any, scores: Any, rival: Any = None, **columns: Any) -> Scored:
    version = None if rival is None else 3
    return Scored(pd.DataFrame(columns), np.asarray(labels), np.asarray(scores), rival, version)


def noisy_forecast(rows: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    rate = random.random(rows)
    labels = (random.random(rows) < rate).astype(float)
    return labels, np.clip(rate + random.normal(0, 0.1, rows), 0.01, 0.99), rate


def test_the_interval_of_a_margin_covers_and_is_narrower_than_an_unpaired_one() -> None:
    labels, other, rate = noisy_forecast()
    found = measured(Gate(metric="brier", margin=0.0), scored(labels, other, rate), HALF, seed=0)
    low, high = found.interval or (0, 0)
    # The excess of a noisy forecast is the variance of its noise, a little less for the clipping.
    assert 0 < low < 0.0095 < high < 0.013
    unpaired = 2 * 1.96 * math.sqrt(2) * ((rate - labels) ** 2).std() / math.sqrt(len(rate))
    assert high - low < unpaired / 2
    assert (found.champion_version, found.rows) == (3, 4000)


def test_worse_by_is_above_zero_whichever_way_is_better() -> None:
    labels, other, rate = noisy_forecast()
    for metric in ("auc", "brier"):
        found = measured(Gate(metric=metric, margin=0.0), scored(labels, other, rate), HALF, seed=0)
        assert found.interval is not None
        assert found.interval[0] > 0


def test_what_is_not_defined_has_neither_value_nor_interval() -> None:
    one_class = scored(np.zeros(20), np.linspace(0, 1, 20), np.zeros(20))
    found = measured(Gate(metric="auc", margin=0.0), one_class, HALF, seed=0)
    assert found == Measured(value=None, champion=None, champion_version=3, rows=20, interval=None)


def test_a_cost_gate_is_in_the_unit_of_the_costs_and_has_the_champion_beside_it() -> None:
    costs = Answers(0.6, Costs(false_positive=10, false_negative=100, true_positive=-1, threshold=0.6))
    rows = scored([1.0, 1, 0, 0], [0.6, 0.1, 0.9, 0.2], np.array([0.1, 0.1, 0.1, 0.1]))
    found = measured(Gate(metric="cost", margin=0.0), rows, costs, seed=0)
    assert found.value == pytest.approx((-1 + 100 + 10 + 0) / 4)
    assert found.champion == pytest.approx(200 / 4)


def test_a_fairness_gate_counts_yes_from_the_threshold_on() -> None:
    labels = np.tile([1.0, 0.0], 200)
    groups = np.repeat(["a", "b"], 200)
    scores = np.where(groups == "a", 0.65, 0.55)
    rows = scored(labels, scores, np.full(400, 0.9), team=groups)
    gate = Gate(metric="equalized_odds_difference", group="team", max=0.1)
    assert measured(gate, rows, HALF, seed=0).value == 0.0
    apart = measured(gate, rows, Answers(0.6, None), seed=0)
    assert (apart.value, apart.champion, apart.interval) == (1.0, 0.0, (1.0, 1.0))
    margin = measured(gate.model_copy(update={"max": None, "margin": 0.0}), rows, Answers(0.6, None), seed=0)
    assert margin.interval == (1.0, 1.0)


def test_a_fairness_gate_with_one_group_or_broken_scores_measures_nothing() -> None:
    labels = np.tile([1.0, 0.0], 200)
    gate = Gate(metric="demographic_parity_difference", group="team", max=0.1)
    alone = scored(labels, labels, team=["a"] * 399 + ["b"])
    assert measured(gate, alone, HALF, seed=0).value is None
    broken = scored(labels, np.full(400, math.nan), team=["a", "b"] * 200)
    assert measured(gate, broken, HALF, seed=0).value is None


def test_a_gate_on_a_range_measures_its_rows_only() -> None:
    rows = scored(
        [1.0, 0, 1, 0], [0.9, 0.9, 0.1, 0.1], distance=[100, 500, 900, 1000], carrier=["UA", "UA", "UA", "AA"]
    )
    gate = Gate(metric="brier", max=1, slice="carrier=UA & distance=[500,1000)")
    found = measured(gate, rows, HALF, seed=0)
    assert (found.rows, found.value) == (2, pytest.approx(0.81))
