"""The error budget of a stage, and what a gate says in words."""

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.gating import Levels, judge_gate
from tests.core.rollout.tables import answers, pairs, state

MARGIN = Gate(metric="error_rate", margin=0.02)


@pytest.mark.parametrize("gates,slices", [(1, 0), (4, 0), (1, 20), (3, 60)])
def test_all_tests_of_a_stage_together_have_its_budget(gates, slices):
    levels = Levels.split(0.05, gates, slices)
    assert gates * (levels.fail + slices * levels.slice) == pytest.approx(0.05)
    # to be promoted, a challenger has to pass every gate, so each may be tested at the whole budget
    assert levels.accept == 0.05
    assert (levels.slice > 0) == (slices > 0)


def canary(champion, challenger, requests=8000, gate=MARGIN):
    rng = np.random.default_rng(1)
    seen = state(gate, share=0.5)
    mine = rng.random(requests) < 0.5
    seen.fold(answers(rng, rng.random(requests) < np.where(mine, challenger, champion), mine))
    return judge_gate(seen, 0.05, 0.05)


@pytest.mark.parametrize(
    "challenger,outcome,words",
    [
        (0.15, "fail", "failed: error_rate is 0.1"),
        (0.01, "pass", "passed: error_rate is 0.0"),
        (0.03, "inconclusive", "undecided: error_rate is 0.0"),
    ],
)
def test_result_holds_the_bound_against_the_limit(challenger, outcome, words):
    found = canary(0.01, challenger)
    assert found.outcome == outcome
    assert found.limit == 0.02
    low, high = found.interval
    assert found.bound == (low if outcome == "fail" else high)
    assert low < found.value - found.champion < high
    assert found.reason.startswith(words)
    said = {"fail": "worse by at least", "pass": "worse by at most", "inconclusive": "worse by between"}
    assert said[outcome] in found.reason
    assert "0.02 is allowed" in found.reason
    assert (found.needed is not None) == (outcome == "inconclusive")


def test_gate_without_observations_is_undecided():
    seen = state(MARGIN, share=0.5)
    rng = np.random.default_rng(2)
    none = judge_gate(seen, 0.05, 0.05)
    seen.fold(answers(rng, np.zeros(500, bool), np.ones(500, bool)))
    one_sided = judge_gate(seen, 0.05, 0.05)
    for found in (none, one_sided):
        assert (found.outcome, found.samples, found.interval) == ("inconclusive", 0, None)
        assert "no observation yet" in found.reason


def test_interval_is_in_the_unit_of_the_metric():
    rng = np.random.default_rng(3)
    size = 1500
    table = pairs(rng, np.zeros(size, bool), np.zeros(size, bool))
    table["label"] = (rng.random(size) < 0.5).astype(float)
    for side, sure in (("", 0.7), ("champion:", 0.8)):
        table[f"{side}prediction"] = np.where(table["label"] == 1, sure, 1 - sure)
    losses = state(Gate(metric="log_loss", margin=1.0), paired=True)
    losses.fold(table)
    found = judge_gate(losses, 0.05, 0.05)
    # cells are finer than a hundredth of a nat, but not without end
    assert found.value == pytest.approx(-np.log(0.7), abs=1e-6)
    assert found.champion == pytest.approx(-np.log(0.8), abs=1e-6)
    assert found.interval[0] < found.value - found.champion < found.interval[1]
    right = state(Gate(metric="accuracy", min=0.6), paired=True)
    right.fold(table)
    found = judge_gate(right, 0.05, 0.05)
    assert found.value == 1.0
    assert 0.6 < found.interval[0] < found.interval[1] <= 1.0
    assert found.bound == found.interval[0]
