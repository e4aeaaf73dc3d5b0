"""Two variants on different requests: what the hash alone makes valid, and how soon a bad model is stopped."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.rollout.betting import SHARES, lower_bound, mixed, upper_bound
from airflow_mlops.core.rollout.cells import UNIT
from airflow_mlops.core.rollout.randomized import LEVELS, Level, TwoArms, centred, log_path
from tests.core.rollout.chance import most

ALPHA = 0.05
ENOUGH = -math.log(ALPHA)


def counted(y, mine):
    """Outcomes as the state of a gate counts them."""
    group = Level().follow(np.asarray(y, dtype=np.float64)) * 2 + mine.astype(np.int64)
    return UNIT.counts(np.asarray(y, dtype=np.float64), group, len(LEVELS) * 2)


def first(path):
    """After how many requests a path rejects; infinite if never."""
    hits = np.flatnonzero(path >= ENOUGH)
    return int(hits[0]) + 1 if len(hits) else math.inf


# ---- one request


@settings(max_examples=150)
@given(
    level=st.integers(0, len(LEVELS) - 1),
    share=st.floats(0.01, 0.99),
    limit=st.floats(-0.9, 0.9),
    rates=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_expected_factor_is_a_bet_on_the_difference_alone(level, share, limit, rates):
    champion, challenger = rates
    for above, sign in ((True, 1.0), (False, -1.0)):
        _, largest = centred(LEVELS[level : level + 1], limit, share, above=above)
        expected = np.zeros(len(SHARES))
        for arm, cell, chance in (
            (0, 0, (1 - share) * (1 - champion)),
            (0, -1, (1 - share) * champion),
            (1, 0, share * (1 - challenger)),
            (1, -1, share * challenger),
        ):
            one = np.zeros((len(LEVELS) * 2, UNIT.size))
            one[level * 2 + arm, cell] = 1.0
            arms = TwoArms(one, share)
            factor = np.exp(arms.above(limit) if above else arms.below(limit))
            assert factor.min() > 0
            expected += chance * factor
        gain = sign * (challenger - champion - limit)
        assert expected == pytest.approx(1 + SHARES * largest[0] * gain, rel=1e-9, abs=1e-9)


@given(y=st.lists(st.floats(0, 1), max_size=200), cut=st.integers(0, 200))
def test_level_is_known_before_the_block_that_it_centres(y, cut):
    # other outcomes from the block on change no level up to it
    cut = min(cut // 32 * 32, len(y))
    other = [1 - one for one in y[cut:]]
    levels = Level().follow(np.array(y))
    assert Level().follow(np.array(y[:cut] + other))[: cut + 32].tolist() == levels[: cut + 32].tolist()


@pytest.mark.parametrize("rate", [0.002, 0.02, 0.2, 0.34, 0.45, 0.5])
def test_centre_is_on_both_sides_of_the_mean(rate):
    # else a key with many requests would add to the evidence by the mere chance of its side
    rng = np.random.default_rng(6)
    for y in ((rng.random(60_000) < rate).astype(float), rate + 0.2 * rate * rng.choice([-1.0, 1.0], 60_000)):
        off = (y - LEVELS[Level().follow(y)])[2000:]
        assert abs(off.mean()) < 0.015 * y.std()


def test_level_follows_a_base_rate_that_changes():
    rng = np.random.default_rng(7)
    y = (rng.random(6000) < np.repeat([0.01, 0.2], 3000)).astype(float)
    levels = LEVELS[Level().follow(y)]
    assert levels[1500:3000].mean() == pytest.approx(0.01, rel=0.5)
    assert levels[4000:].mean() == pytest.approx(0.2, rel=0.2)


# ---- many requests


@pytest.mark.parametrize("above", [True, False])
def test_path_ends_at_the_capital_of_the_counts(above):
    rng = np.random.default_rng(8)
    mine = rng.random(3000) < 0.2
    for y in ((rng.random(3000) < 0.05).astype(float), rng.integers(0, 129, 3000) / 128):
        arms = TwoArms(counted(y, mine), 0.2)
        end = mixed(arms.above(0.01) if above else arms.below(0.01))
        assert log_path(y, mine, 0.01, 0.2, above=above)[-1] == pytest.approx(end, abs=1e-8)


def test_bounds_are_around_the_difference_and_shrink():
    rng = np.random.default_rng(9)
    mine = rng.random(40_000) < 0.3
    y = (rng.random(40_000) < np.where(mine, 0.05, 0.03)).astype(float)
    widths = []
    for size in (4000, 40_000):
        arms = TwoArms(counted(y[:size], mine[:size]), 0.3)
        low, high = lower_bound(arms, ENOUGH), upper_bound(arms, ENOUGH)
        assert low < 0.02 < high
        assert mixed(arms.above(low - 1e-3)) >= ENOUGH > mixed(arms.above(low + 1e-3))
        widths.append(high - low)
    assert widths[1] < widths[0] / 2.5


def logistic(x):
    return 1 / (1 + np.exp(-x))


def ar1(rng, requests, runs, phi=0.8):
    """Log odds that remember: standard normal, one column per run."""
    x = np.empty((requests, runs))
    x[0] = rng.normal(size=runs)
    noise = rng.normal(size=(requests, runs)) * math.sqrt(1 - phi**2)
    for step in range(1, requests):
        x[step] = phi * x[step - 1] + noise[step]
    return x


def autocorrelated(rng, requests, runs):
    return logistic(-3.5 + 1.2 * ar1(rng, requests, runs))


def bursts(rng, requests, runs):
    starts = np.maximum.accumulate(
        np.where(rng.random((requests, runs)) < 1 / 400, np.arange(requests)[:, None], -100), axis=0
    )
    return np.where(np.arange(requests)[:, None] - starts < 60, 0.7, 0.01)


def drift(rng, requests, runs):
    return np.repeat(np.linspace(0.005, 0.25, requests)[:, None], runs, axis=1)


def steady(rng, requests, runs):
    return np.full((requests, runs), 0.02)


@pytest.mark.parametrize("rates", [steady, autocorrelated, bursts, drift])
@pytest.mark.parametrize("above", [True, False])
def test_trouble_of_both_does_not_reject_more_often_than_promised(rates, above):
    # the challenger is worse by exactly what is allowed: the hardest case for stopping as well as for passing
    runs, requests, share, margin = 300, 3000, 0.2, 0.01
    rng = np.random.default_rng(10)
    base = np.clip(rates(rng, requests, runs), 0, 1 - margin)
    mine = rng.random((requests, runs)) < share
    y = (rng.random((requests, runs)) < base + margin * mine).astype(float)
    rejected = sum(
        log_path(y[:, run], mine[:, run], margin, share, above=above).max() >= ENOUGH for run in range(runs)
    )
    assert rejected <= most(ALPHA, runs)


def information_bound(bad, good, share):
    """Requests until log(1/alpha), at the rate at which the truth differs from the nearest pair of equal rates."""

    def divergence(p, q):
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))

    q = np.geomspace(1e-3, 0.5, 20_000)
    return ENOUGH / (share * divergence(bad, q) + (1 - share) * divergence(good, q)).min()


@pytest.mark.parametrize("bad,times", [(0.03, 1.5), (0.10, 1.6)])
def test_bad_model_is_stopped_near_the_information_bound(bad, times):
    runs, share = 80, 0.1
    bound = information_bound(bad, 0.01, share)
    rng = np.random.default_rng(11)
    stops = []
    for _ in range(runs):
        mine = rng.random(int(6 * bound)) < share
        y = (rng.random(len(mine)) < np.where(mine, bad, 0.01)).astype(float)
        stops.append(first(log_path(y, mine, 0.0, share)))
    assert np.median(stops) / bound <= times
    assert np.quantile(stops, 0.95) < math.inf
