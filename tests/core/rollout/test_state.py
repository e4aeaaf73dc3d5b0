"""The state of one gate: constant, mergeable, and all that the verdict is made of."""

import math
import tracemalloc

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import mixed
from airflow_mlops.core.rollout.state import LEAST_KEYS
from tests.core.rollout.chance import most
from tests.core.rollout.tables import answers, keys, pairs, portions, state

ALPHA = 0.05
MARGIN = Gate(metric="error_rate", margin=0.01)
ABSOLUTE = Gate(metric="error_rate", max=0.02)
SHARE = 0.3


def canary(rng, requests, champion=0.02, challenger=0.02):
    mine = rng.random(requests) < SHARE
    return answers(rng, rng.random(requests) < np.where(mine, challenger, champion), mine)


def shadow(rng, requests, champion=0.02, challenger=0.02):
    return pairs(rng, rng.random(requests) < champion, rng.random(requests) < challenger)


def arrays(seen):
    """All that a state keeps."""
    kept = [seen.counts, seen.numbers, seen.sums, seen.keys.numbers, seen.keys.sums, seen.keys.squares]
    if seen.moments is not None:
        clusters = seen.moments.clusters
        kept += [clusters.numbers, clusters.sums, clusters.squares]
    return kept


def both(seen):
    """The capital against "good enough" and against "too bad"."""
    evidence = seen.evidence()
    return mixed(evidence.above(seen.limit)), mixed(evidence.below(seen.limit))


@pytest.mark.parametrize("gate", [MARGIN, ABSOLUTE, Gate(metric="latency", threshold=4, margin=0.1)])
def test_pairs_merge_exactly_and_in_any_order(gate):
    table = shadow(np.random.default_rng(1), 3000)
    whole = state(gate, paired=True)
    whole.fold(table)
    parts = []
    for part in portions(table, 3):
        one = state(gate, paired=True)
        one.fold(part)
        parts.append(one)
    last, first, middle = parts[2], parts[0], parts[1]
    last.merge(first)
    last.merge(middle)
    for kept, wanted in zip(arrays(last), arrays(whole), strict=True):
        assert kept == pytest.approx(wanted, abs=1e-9)
    assert last.find(ALPHA, ALPHA) == whole.find(ALPHA, ALPHA)


def test_two_arms_merge_to_the_same_sums_and_nearly_the_same_capital():
    # each part starts with its own idea of the level, which decides only how fast the capital grows
    table = canary(np.random.default_rng(2), 20_000, challenger=0.05)
    whole, one, other = (state(MARGIN, share=SHARE) for _ in range(3))
    whole.fold(table)
    for seen, part in zip((one, other), portions(table, 2), strict=True):
        seen.fold(part)
    one.merge(other)
    assert one.numbers.tolist() == whole.numbers.tolist()
    assert one.sums == pytest.approx(whole.sums)
    assert one.keys.numbers.tolist() == whole.keys.numbers.tolist()
    assert one.design_effect == pytest.approx(whole.design_effect)
    assert both(one) == pytest.approx(both(whole), rel=0.1, abs=0.5)


def test_merged_states_reject_as_seldom_as_promised():
    runs, stopped = 200, 0
    rng = np.random.default_rng(3)
    for _ in range(runs):
        one, other = state(MARGIN, share=SHARE), state(MARGIN, share=SHARE)
        one.fold(canary(rng, 1500, 0.02, 0.03))
        other.fold(canary(rng, 1500, 0.2, 0.21))
        one.merge(other)
        stopped += one.log_e_value() >= -math.log(ALPHA)
    assert stopped <= most(ALPHA, runs)


@pytest.mark.parametrize("paired", [True, False])
def test_state_is_as_large_after_many_requests_as_before_the_first(paired):
    rng = np.random.default_rng(4)
    seen = state(MARGIN, paired=paired, share=SHARE)
    before = [one.shape for one in arrays(seen)]
    for _ in range(20):
        seen.fold(shadow(rng, 1000) if paired else canary(rng, 1000))
    assert [one.shape for one in arrays(seen)] == before
    assert sum(one.nbytes for one in arrays(seen)) < 500_000


@pytest.mark.parametrize("paired", [True, False])
def test_million_rows_need_no_more_than_some_columns_of_memory(paired):
    rng = np.random.default_rng(5)
    rows = 1_000_000
    table = shadow(rng, rows) if paired else canary(rng, rows)
    seen = state(MARGIN, paired=paired, share=SHARE)
    tracemalloc.start()
    try:
        seen.fold(table)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen.keys.numbers.sum() == rows
    assert kept < 1e6
    # one column of numbers has 8 MB
    assert peak < 25 * 8e6


def test_empty_state_finds_nothing():
    for gate, paired in ((MARGIN, True), (MARGIN, False), (ABSOLUTE, False)):
        seen = state(gate, paired=paired, share=SHARE)
        seen.fold(shadow(np.random.default_rng(6), 0) if paired else canary(np.random.default_rng(6), 0))
        found = seen.find(ALPHA, ALPHA)
        assert (found.failed, found.passed, found.more, found.design_effect) == (False, False, None, 1.0)
        assert (seen.samples, seen.mean(0), seen.mean(1)) == (0, None, None)


def test_bounds_close_around_the_truth():
    rng = np.random.default_rng(7)
    seen = state(MARGIN, share=SHARE)
    widths = []
    for _ in range(2):
        seen.fold(canary(rng, 20_000, champion=0.03, challenger=0.05))
        found = seen.find(ALPHA, ALPHA)
        assert found.lower < 0.02 < found.upper
        widths.append(found.upper - found.lower)
    assert widths[1] < widths[0]


def test_fails_where_the_lower_bound_is_beyond_the_limit_and_passes_below():
    rng = np.random.default_rng(8)
    bad, good = state(MARGIN, share=SHARE), state(MARGIN, share=SHARE)
    bad.fold(canary(rng, 10_000, challenger=0.08))
    good.fold(canary(rng, 20_000))
    worse, fine = bad.find(ALPHA, ALPHA), good.find(ALPHA, ALPHA)
    assert (worse.failed, worse.passed) == (True, False)
    assert worse.lower >= bad.limit
    assert (fine.failed, fine.passed) == (False, True)
    assert fine.upper <= good.limit


@pytest.mark.parametrize("callers,passes", [(LEAST_KEYS - 5, False), (200, True)])
def test_few_keys_never_pass(callers, passes):
    rng = np.random.default_rng(9)
    some = keys(rng, callers)
    none = np.zeros(6000, dtype=bool)
    seen = state(MARGIN, paired=True)
    seen.fold(pairs(rng, none, none, key=some[np.arange(6000) % callers]))
    found = seen.find(ALPHA, ALPHA)
    assert found.passed is passes
    assert seen.keys.effective == pytest.approx(callers, rel=0.1)


def test_a_key_with_all_requests_neither_passes_nor_fails():
    rng = np.random.default_rng(10)
    for failed in (True, False):
        # as one observation, which has to be no surprise at the limit
        seen = state(Gate(metric="error_rate", max=0.3), paired=True)
        table = pairs(rng, np.zeros(3000, bool), np.full(3000, failed), key=np.repeat(keys(rng, 1), 3000))
        seen.fold(table)
        found = seen.find(ALPHA, ALPHA)
        assert (found.failed, found.passed) == (False, False)


def test_needed_is_about_what_is_needed():
    rng = np.random.default_rng(11)
    asked, taken = [], []
    for _ in range(15):
        seen = state(MARGIN, share=SHARE)
        seen.fold(canary(rng, 3000, challenger=0.02))
        found = seen.find(ALPHA, ALPHA)
        if found.more is None:
            continue
        asked.append(found.more + seen.samples)
        while not (found.passed or found.failed):
            seen.fold(canary(rng, 500))
            found = seen.find(ALPHA, ALPHA)
        taken.append(seen.samples)
    assert len(asked) > 5
    assert 1 / 2.5 < np.median(taken) / np.median(asked) < 2.5


def test_request_that_the_champion_refused_does_not_count_in_pairs():
    rng = np.random.default_rng(12)
    table = shadow(rng, 400)
    table["champion:refused"] = np.arange(400) % 2 == 0
    table["refused"] = np.ones(400, dtype=bool)
    seen = state(MARGIN, paired=True)
    seen.fold(table)
    assert seen.samples == 200
    # refusing what the champion takes is as bad as failing
    assert seen.mean(1) == 1.0


def test_refused_requests_do_not_count_in_canary():
    table = canary(np.random.default_rng(13), 400)
    table["refused"] = np.arange(400) % 2 == 0
    seen = state(MARGIN, share=SHARE)
    seen.fold(table)
    assert seen.numbers.sum() == 200


def test_pairs_in_time_are_tempered():
    # both fail at random, but the challenger in stretches of a hundred requests
    runs, stopped = 100, 0
    rng = np.random.default_rng(14)
    for _ in range(runs):
        stretches = np.repeat(rng.random(60) < 0.1, 100)
        seen = state(Gate(metric="error_rate", margin=0.0), paired=True)
        for part in portions(pairs(rng, rng.random(6000) < 0.1, stretches), 6):
            seen.fold(part)
        assert seen.design_effect > 3
        stopped += seen.log_e_value() >= -math.log(ALPHA)
    assert stopped <= most(ALPHA, runs)
