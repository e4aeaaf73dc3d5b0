import math

import numpy as np
import pytest

from airflow_mlops.core.rollout.sequential import Levels, examine, first_failure
from airflow_mlops.core.rollout.twosample import block_length, matched

ALPHA = 0.05
LEVELS = Levels.split(ALPHA, 1)


def canary_stop(rng, rates, worse, margin, share=0.1):
    """The challenger's requests until it is stopped, None if it never is."""
    challenger = rng.random(len(rates)) < share
    errors = (rng.random(len(rates)) < rates + worse * challenger).astype(float)
    shuffle = rng.integers(0, 2**63, len(rates), dtype=np.uint64)
    compared = matched(errors, challenger, shuffle, block_length(share))
    at = first_failure((compared.difference + 1) / 2, (margin + 1) / 2, compared.stops, ALPHA)
    return None if at is None else at + 1


def shocks(rng, size):
    """Error rates about 2 % under AR(1) shocks with phi 0.8, a step per 50 requests."""
    state, levels = 0.0, []
    for noise in rng.normal(0, 0.6, -(-size // 50)):
        state = 0.8 * state + noise
        levels.append(state)
    return np.minimum(0.02 * np.exp(np.repeat(levels, 50)[:size]), 0.9)


@pytest.mark.parametrize("margin", [0.0, 0.01])
@pytest.mark.parametrize("world", ["steady", "shocks"])
def test_model_as_bad_as_allowed_is_seldom_stopped_ever(world, margin):
    rng = np.random.default_rng(10)
    runs, size = 200, 4000
    stopped = sum(
        canary_stop(rng, shocks(rng, size) if world == "shocks" else np.full(size, 0.02), margin, margin)
        is not None
        for _ in range(runs)
    )
    # 20 of 200 has a probability of 0.3 % when the rate is 5 %
    assert stopped <= 19


def test_three_times_the_errors_are_stopped_near_the_information_bound():
    rng = np.random.default_rng(11)
    stops = [canary_stop(rng, np.full(20_000, 0.01), 0.02, 0.0) for _ in range(150)]
    # 266 is log(20) / KL for a tenth of the traffic; to reach 1.5 times that, with 15 % for chance
    assert np.median([math.inf if one is None else one for one in stops]) <= 1.15 * 1.5 * 266


def test_failure_stays_though_later_observations_are_good():
    x = np.concatenate([np.ones(40), np.zeros(4000)])
    found = examine(x, 0.2, np.arange(len(x)), LEVELS)
    assert found.failed_at is not None
    assert found.failed_at < 40
    assert not found.passed
    assert found.lower >= 0.2
    assert found.more is None


def test_pass_needs_the_evidence_of_now():
    good, bad = np.zeros(400), np.ones(60)
    assert examine(good, 0.12, np.arange(400), LEVELS).passed
    late = examine(np.concatenate([good, bad]), 0.12, np.array([459]), LEVELS)
    assert not late.passed


def test_decision_comes_at_stops_only():
    x = np.ones(50)
    assert first_failure(x, 0.2, np.array([39, 49]), 0.05) == 39
    assert first_failure(x, 0.2, np.array([], dtype=int), 0.05) is None


def test_budget_is_split_over_failures_but_not_over_passes():
    levels = Levels.split(0.06, 3)
    assert levels.fail == pytest.approx(0.02)
    assert levels.accept == pytest.approx(0.06)


def test_undecided_says_how_much_more():
    rng = np.random.default_rng(12)
    x = (rng.random(200) < 0.02).astype(float)
    found = examine(x, 0.05, np.arange(200), LEVELS)
    assert found.failed_at is None
    assert not found.passed
    assert found.lower < 0.05 < found.upper
    assert 20 < found.more < 2000


def test_too_little_to_tell_how_much_more():
    assert examine(np.zeros(5), 0.05, np.arange(5), LEVELS).more is None
