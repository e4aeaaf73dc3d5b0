import math

import numpy as np
import pytest

from airflow_mlops.core.rollout.betting import (
    bets,
    growth,
    log_e_process,
    log_e_value,
    lower_bound,
    tally,
    upper_bound,
)


def test_capital_is_the_weighted_product_of_the_bets():
    x, mean = np.array([1.0, 0.0, 0.25]), 0.4
    sizes, log_weights = bets(mean)
    by_hand = sum(
        math.exp(weight) * math.prod(1 + size * (one - mean) for one in x)
        for size, weight in zip(sizes, log_weights, strict=True)
    )
    assert log_e_process(x, mean)[-1] == pytest.approx(math.log(by_hand), abs=1e-12)
    assert log_e_value(tally(x), mean) == pytest.approx(math.log(by_hand), abs=1e-12)


@pytest.mark.parametrize("mean", [1e-6, 0.001, 0.3, 0.5, 0.97, 1 - 1e-6])
def test_no_bet_can_ruin(mean):
    sizes, log_weights = bets(mean)
    assert np.exp(log_weights).sum() == pytest.approx(1.0)
    assert (1 - sizes * mean).min() > 0.09
    assert np.isfinite(log_e_process(np.zeros(50_000), mean)).all()


@pytest.mark.parametrize("mean", [0.02, 0.5, 0.9])
def test_one_more_observation_has_an_expected_factor_of_one_at_the_limit(mean):
    # a two-point variable with exactly that mean: the capital is a martingale, so the law of total expectation holds
    low, high = 0.0, 1.0
    before = log_e_process(np.array([0.3, 0.7]), mean)[-1]
    after = sum(
        chance * math.exp(log_e_process(np.array([0.3, 0.7, x]), mean)[-1])
        for x, chance in ((high, mean), (low, 1 - mean))
    )
    assert after == pytest.approx(math.exp(before), rel=1e-12)


def test_order_does_not_matter_at_the_end_and_parts_add_up():
    rng = np.random.default_rng(1)
    x = rng.random(1000)
    assert log_e_process(x, 0.4)[-1] == pytest.approx(log_e_process(x[::-1], 0.4)[-1], abs=1e-9)
    first, second, whole = tally(x[:300]), tally(x[300:]), tally(x)
    assert whole.total == first.total + second.total == 1000


@pytest.mark.parametrize(
    "successes,trials,published",
    [
        # confseq's bernoulli_confidence_interval at alpha 0.05: the normal-mixture bound of Howard et al. 2021
        (700, 1000, (0.651629, 0.745949)),
        (15, 50, (0.129556, 0.511896)),
        (5, 50, (0.013021, 0.269264)),
    ],
)
def test_interval_is_near_the_published_one(successes, trials, published):
    x = np.array([1.0] * successes + [0.0] * (trials - successes))
    threshold = math.log(2 / 0.05)
    low, high = lower_bound(tally(x), threshold), upper_bound(tally(1 - x), threshold)
    assert low < successes / trials < high
    assert high - low == pytest.approx(published[1] - published[0], rel=0.15)
    assert low == pytest.approx(published[0], abs=0.04)
    assert high == pytest.approx(published[1], abs=0.04)


def test_bound_is_where_the_test_rejects():
    x = tally(np.random.default_rng(2).beta(2, 5, 2000))
    threshold = math.log(20)
    bound = lower_bound(x, threshold)
    assert log_e_value(x, bound - 1e-6) > threshold > log_e_value(x, bound + 1e-6)


def test_nothing_seen_rejects_nothing():
    nothing = tally(np.empty(0))
    assert log_e_value(nothing, 0.3) == pytest.approx(0.0)
    assert lower_bound(nothing, math.log(20)) == 0.0
    assert upper_bound(nothing, math.log(20)) == 1.0
    assert growth(nothing, 0.3) == 0.0


def test_many_values_are_rounded_to_the_safe_side():
    x = np.random.default_rng(3).random(50_000)
    rounded = tally(x)
    assert len(rounded.values) <= 2**14
    assert rounded.total == len(x)
    exact = log_e_process(x, 0.49)[-1]
    assert exact - 0.02 * abs(exact) - 1 < log_e_value(rounded, 0.49) <= exact


def test_true_mean_is_excluded_as_seldom_as_promised():
    rng = np.random.default_rng(4)
    runs, alpha = 400, 0.1
    for draw, mean in (
        (lambda: (rng.random(1500) < 0.03).astype(float), 0.03),
        (lambda: rng.beta(0.2, 1.8, 1500), 0.1),
        (lambda: rng.random(1500), 0.5),
    ):
        ever = sum(log_e_process(draw(), mean).max() >= math.log(1 / alpha) for _ in range(runs))
        # 58 of 400 has a probability of 0.2 % when the rate is 10 %
        assert ever <= 58


def test_growth_predicts_how_long_it_takes():
    rng = np.random.default_rng(5)
    rate = growth(tally((rng.random(20_000) < 0.06).astype(float)), 0.02)
    times = [
        int(np.argmax(log_e_process((rng.random(4000) < 0.06).astype(float), 0.02) >= math.log(20)))
        for _ in range(60)
    ]
    assert np.median(times) == pytest.approx(math.log(20) / rate, rel=0.6)
