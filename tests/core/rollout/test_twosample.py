import itertools

import numpy as np
import pytest

from airflow_mlops.core.rollout.twosample import block_length, matched, paired


def numbers(size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**63, size, dtype=np.uint64)


def test_groups_use_each_request_of_a_full_block_once():
    # the outcome of request i is 2^-i, so that a sum names its members
    outcome = 0.5 ** np.arange(8)
    challenger = np.array([1, 0, 0, 1, 0, 0, 0, 0], dtype=bool)
    compared = matched(outcome, challenger, numbers(8), 8)
    assert sorted(compared.challenger) == sorted(outcome[challenger])
    assert compared.champion.sum() * 3 == pytest.approx(outcome[~challenger].sum())
    assert compared.requests == 2
    assert compared.stops.tolist() == [1]


def test_share_above_one_half_groups_around_the_champion():
    outcome = np.arange(8) / 8
    challenger = np.array([1, 1, 1, 0, 1, 1, 0, 1], dtype=bool)
    compared = matched(outcome, challenger, numbers(8), 8)
    assert sorted(compared.champion) == [3 / 8, 6 / 8]
    assert compared.challenger.mean() == pytest.approx(outcome[challenger].mean())
    assert compared.requests == 6


def test_only_requests_of_the_same_block_are_compared():
    size, block = 400, 20
    rate = np.repeat(np.linspace(0, 1, size // block), block)
    challenger = np.random.default_rng(1).random(size) < 0.3
    compared = matched(rate, challenger, numbers(size), block)
    assert np.allclose(compared.difference, 0.0, atol=1e-12)
    assert len(compared.difference) > 80


def test_unfinished_blocks_and_blocks_of_one_variant_are_left_out():
    challenger = np.array([0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0], dtype=bool)
    compared = matched(np.ones(14), challenger, numbers(14), 4)
    assert len(compared.difference) == 2
    assert compared.requests == 2
    assert compared.stops.tolist() == [1]


@pytest.mark.parametrize("size", [0, 3])
def test_nothing_to_compare(size):
    compared = matched(np.ones(size), np.zeros(size, dtype=bool), numbers(size), 4)
    assert len(compared.difference) == len(compared.stops) == compared.requests == 0


@pytest.mark.parametrize("ones", [1, 2, 3, 4])
@pytest.mark.parametrize("outcome", [(1, 1, 0, 0, 0, 0), (1, 0, 0.5, 0, 1, 0.25), (1, 1, 1, 1, 0, 0)])
def test_expected_factor_of_a_block_is_exactly_one(outcome, ones):
    """The theorem behind it all: every assignment of a block equally likely, outcomes arbitrary (a burst, a trend)."""
    size = len(outcome)
    orders = np.array(list(itertools.permutations(range(size))), dtype=np.uint64)
    assignments = [np.isin(np.arange(size), chosen) for chosen in itertools.combinations(range(size), ones)]
    worlds = len(orders) * len(assignments)
    compared = matched(
        np.tile(np.array(outcome, dtype=float), worlds),
        np.repeat(assignments, len(orders), axis=0).ravel(),
        np.tile(orders, (len(assignments), 1)).ravel(),
        size,
    )
    factors = (1 + 0.8 * compared.difference).reshape(worlds, min(ones, size - ones)).prod(axis=1)
    assert factors.mean() == pytest.approx(1.0, abs=1e-12)


def test_block_holds_some_requests_of_the_smaller_share():
    assert block_length(0.5) == 8
    assert block_length(0.1) == block_length(0.9) == 40
    assert block_length(1e-9) == 4000


def test_pairs_may_be_looked_at_one_by_one():
    compared = paired(np.array([1.0, 0.0]), np.array([0.0, 0.5]))
    assert compared.difference.tolist() == [1.0, -0.5]
    assert compared.stops.tolist() == [0, 1]
