"""The capital of fixed bets on one mean: by hand, at its bounds, and as seldom wrong as promised."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.rollout.betting import (
    LOG_PRIOR,
    SHARES,
    OneSample,
    log_path,
    lower_bound,
    mixed,
    upper_bound,
)
from tests.core.rollout.chance import most

unit = st.floats(0, 1)
inside = st.floats(0.01, 0.99)


def sample(x, low=0.0, high=1.0) -> OneSample:
    values, counts = np.unique(np.asarray(x, dtype=np.float64), return_counts=True)
    return OneSample(values, counts.astype(np.float64), low, high)


def by_hand(x, mean, low=0.0):
    """The weighted product of the bets, one factor after the other."""
    return sum(
        math.exp(weight) * math.prod(1 + share / (mean - low) * (one - mean) for one in x)
        for share, weight in zip(SHARES, LOG_PRIOR, strict=True)
    )


def test_path_is_the_weighted_product_of_the_bets():
    x = np.array([1.0, 0.0, 0.25])
    path = log_path(x, 0.4)
    for end in (1, 2, 3):
        assert path[end - 1] == pytest.approx(math.log(by_hand(x[:end], 0.4)), abs=1e-12)


def test_prior_is_one_stake_and_no_bet_can_ruin():
    assert np.exp(LOG_PRIOR).sum() == pytest.approx(1.0)
    assert 0 < SHARES.min() < SHARES.max() < 1
    assert np.isfinite(log_path(np.zeros(50_000), 1e-6)).all()


@settings(max_examples=60)
@given(x=st.lists(unit, min_size=1, max_size=30), mean=inside)
def test_counts_have_the_capital_of_the_end_of_the_path(x, mean):
    path = log_path(np.array(x), mean)
    assert mixed(sample(x).above(mean)) == pytest.approx(path[-1], abs=1e-9)
    mirrored = log_path(1 - np.array(x), 1 - mean)
    assert mixed(sample(x).below(mean)) == pytest.approx(mirrored[-1], abs=1e-9)


@settings(max_examples=60)
@given(x=st.lists(st.floats(-1, 1), min_size=1, max_size=30), mean=st.floats(-0.9, 0.9))
def test_differences_live_in_their_own_range(x, mean):
    differences = sample(x, -1.0, 1.0)
    assert mixed(differences.above(mean)) == pytest.approx(math.log(by_hand(x, mean, -1.0)), abs=1e-9)
    negated = [-one for one in x]
    assert mixed(differences.below(mean)) == pytest.approx(math.log(by_hand(negated, -mean, -1.0)), abs=1e-9)


@pytest.mark.parametrize("mean", [0.02, 0.5, 0.9])
def test_one_more_observation_has_an_expected_factor_of_one_at_the_limit(mean):
    # a two-point variable with exactly that mean: the capital is a martingale, so the law of total expectation holds
    before = log_path(np.array([0.3, 0.7]), mean)[-1]
    after = sum(
        chance * math.exp(log_path(np.array([0.3, 0.7, x]), mean)[-1])
        for x, chance in ((1.0, mean), (0.0, 1 - mean))
    )
    assert after == pytest.approx(math.exp(before), rel=1e-12)


def test_parts_add_up_in_any_order():
    x = np.random.default_rng(1).random(1000)
    parts = sample(x[:300]).above(0.4) + sample(x[300:]).above(0.4)
    assert parts == pytest.approx(sample(x).above(0.4), abs=1e-9)
    assert log_path(x[::-1], 0.4)[-1] == pytest.approx(log_path(x, 0.4)[-1], abs=1e-9)


@pytest.mark.parametrize(
    "draw,mean",
    [
        (lambda rng: (rng.random(1500) < 0.03).astype(float), 0.03),
        (lambda rng: rng.beta(0.2, 1.8, 1500), 0.1),
        (lambda rng: rng.random(1500), 0.5),
    ],
)
def test_true_mean_is_excluded_as_seldom_as_promised(draw, mean):
    rng = np.random.default_rng(4)
    runs, alpha = 400, 0.1
    above = below = 0
    for _ in range(runs):
        x = draw(rng)
        above += log_path(x, mean).max() >= -math.log(alpha)
        below += log_path(1 - x, 1 - mean).max() >= -math.log(alpha)
    assert max(above, below) <= most(alpha, runs)
    # the bound is not so loose that it would hold by itself
    assert above + below > 0


@pytest.mark.parametrize(
    "successes,trials,published",
    [
        # confseq's bernoulli_confidence_interval at alpha 0.05: the normal-mixture bound of Howard et al. 2021
        (700, 1000, (0.651629, 0.745949)),
        (15, 50, (0.129556, 0.511896)),
        (5, 50, (0.013021, 0.269264)),
    ],
)
def test_interval_is_near_that_of_another_method(successes, trials, published):
    x = sample([1.0] * successes + [0.0] * (trials - successes))
    threshold = math.log(2 / 0.05)
    low, high = lower_bound(x, threshold), upper_bound(x, threshold)
    assert low < successes / trials < high
    assert high - low == pytest.approx(published[1] - published[0], rel=0.15)
    assert low == pytest.approx(published[0], abs=0.04)
    assert high == pytest.approx(published[1], abs=0.04)


def test_bounds_are_where_the_tests_reject():
    x = sample(np.random.default_rng(2).beta(2, 5, 2000))
    threshold = math.log(20)
    low, high = lower_bound(x, threshold), upper_bound(x, threshold)
    assert mixed(x.above(low)) >= threshold > mixed(x.above(low + 3e-6))
    assert mixed(x.below(high)) >= threshold > mixed(x.below(high - 3e-6))


def test_nothing_seen_rejects_nothing():
    nothing = sample([])
    assert mixed(nothing.above(0.3)) == pytest.approx(0.0)
    assert lower_bound(nothing, math.log(20)) == pytest.approx(0.0, abs=1e-5)
    assert upper_bound(nothing, math.log(20)) == pytest.approx(1.0, abs=1e-5)


def test_best_bet_grows_at_nearly_the_best_rate():
    # 6 % where 2 % are claimed: KL(0.06 | 0.02) nats per request are the most that any test can have
    rate = 0.06 * math.log(0.06 / 0.02) + 0.94 * math.log(0.94 / 0.98)
    found = sample([1.0] * 600 + [0.0] * 9400).above(0.02).max() / 10_000
    assert 0.95 * rate < found <= rate
