"""The demo's models on real flights: what the judge says must not hang on the order in which people ask."""

from __future__ import annotations

import flights
import pytest

pytestmark = pytest.mark.e2e
#: Orders of asking; each takes some seconds. Twenty were tried, and went alike.
SEEDS = range(8)


@pytest.mark.parametrize("shuffled", [True, pytest.param(False, marks=pytest.mark.whole)])
def test_the_good_model_is_promoted_whatever_the_order(shuffled):
    for seed in SEEDS:
        verdicts = flights.release("january-august", month=9, seed=seed, shuffled=shuffled)
        assert [one.decision for one in verdicts] == ["PROMOTE"] * 3, verdicts[-1].reason


def test_the_model_that_only_shines_offline_is_stopped_before_it_answers_anybody():
    for seed in SEEDS:
        verdicts = flights.release("leaky", month=10, seed=seed)
        assert [(one.stage, one.decision) for one in verdicts] == [("shadow", "ROLLBACK")]
        assert [gate.gate.metric for gate in verdicts[-1].gates if gate.outcome == "fail"] == ["brier"]
