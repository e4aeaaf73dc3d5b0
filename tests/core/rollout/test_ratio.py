"""Sample-ratio mismatch: never seen where the hash decides, soon where it does not."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_mlops.core.rollout.clusters import bucket_of
from airflow_mlops.core.rollout.ratio import LEVEL, ShareCheck, log_bayes_factor
from tests.core.rollout.chance import most
from tests.core.rollout.tables import keys, split, takes


@pytest.mark.parametrize("ones,zeros,share", [(0, 0, 0.1), (3, 7, 0.1), (40, 60, 0.5), (0, 200, 0.3)])
def test_factor_is_the_mixture_over_the_share_alone(ones, zeros, share):
    # the integral over the beta density, by sums
    p = np.linspace(0, 1, 200_001)[1:-1]
    log_density = (100 * share - 1) * np.log(p) + (100 * (1 - share) - 1) * np.log1p(-p)
    density = np.exp(log_density - log_density.max())
    likelihood = np.exp(ones * np.log(p / share) + zeros * np.log((1 - p) / (1 - share)))
    by_hand = (density * likelihood).sum() / density.sum()
    assert log_bayes_factor(ones, zeros, share) == pytest.approx(math.log(by_hand), abs=1e-6)


@given(ones=st.integers(0, 500), zeros=st.integers(0, 500), share=st.floats(0.01, 0.99))
def test_one_more_request_has_an_expected_factor_of_one(ones, zeros, share):
    before = log_bayes_factor(ones, zeros, share)
    after = share * math.exp(log_bayes_factor(ones + 1, zeros, share) - before)
    after += (1 - share) * math.exp(log_bayes_factor(ones, zeros + 1, share) - before)
    assert after == pytest.approx(1.0, rel=1e-6)


def test_fair_split_is_not_flagged_however_often_one_looks():
    runs = 1000
    rng = np.random.default_rng(1)
    flagged = 0
    for _ in range(runs):
        check = ShareCheck(0.1)
        key = keys(rng, 2000)
        mine = takes(key, 0.1)
        for part in split(2000, 8):
            check.add(mine[part], bucket_of(key[part]))
            if check.mismatch:
                flagged += 1
                break
    assert flagged <= most(LEVEL, runs)


@pytest.mark.parametrize("share,real,within", [(0.1, 0.5, 60), (0.5, 0.1, 100), (0.1, 0.15, 3000)])
def test_another_share_is_flagged_soon(share, real, within):
    rng = np.random.default_rng(2)
    for _ in range(10):
        check = ShareCheck(share)
        check.add(rng.random(within) < real, rng.integers(0, 4096, within))
        assert check.mismatch


def test_heavy_keys_do_not_flag():
    # a few callers send nearly everything, and each of them is on one side
    runs = 300
    rng = np.random.default_rng(3)
    weights = 1 / np.arange(1, 101)
    weights /= weights.sum()
    flagged = 0
    for _ in range(runs):
        key = keys(rng, 100)[rng.choice(100, size=3000, p=weights)]
        check = ShareCheck(0.3)
        check.add(takes(key, 0.3), bucket_of(key))
        flagged += check.mismatch
    # a level of 0.001 is beyond the normal limit with so few callers; one in a hundred is still seldom
    assert flagged <= most(0.01, runs)


def test_share_that_was_seen():
    check = ShareCheck(0.3)
    assert (check.seen, check.mismatch) == (0.3, False)
    check.add(np.array([True, False, False, False]), np.arange(4))
    assert check.seen == 0.25


def test_merged_counts_are_those_of_the_whole():
    rng = np.random.default_rng(4)
    mine, cluster = rng.random(1000) < 0.5, rng.integers(0, 4096, 1000)
    whole, one, other = ShareCheck(0.1), ShareCheck(0.1), ShareCheck(0.1)
    whole.add(mine, cluster)
    one.add(mine[:20], cluster[:20])
    other.add(mine[20:], cluster[20:])
    one.merge(other)
    assert one.seen == whole.seen
    assert one.mismatch
    assert whole.mismatch
