"""Latency quantiles: who is beyond the champion's, under whatever load both meet."""

import math

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.quantile import Quantiles
from tests.core.rollout.chance import most
from tests.core.rollout.tables import answers, pairs, portions, state

ALPHA = 0.05
ENOUGH = -math.log(ALPHA)
SHARE = 0.3


def gate(margin: float, quantile: float = 0.95) -> Gate:
    return Gate(metric="latency_quantile", margin=margin, quantile=quantile)


def canary(rng, requests, latency, mine):
    return answers(rng, np.zeros(requests, dtype=bool), mine, latency=latency)


def ever_stopped(rng, margin, requests, slower=1.0, load=1.0):
    """Whether the challenger is ever stopped, looking ten times."""
    mine = rng.random(requests) < SHARE
    latency = rng.lognormal(3.0, 0.5, requests) * load * np.where(mine, slower, 1.0)
    seen = state(gate(margin), share=SHARE)
    stopped = False
    for part in portions(canary(rng, requests, latency, mine), 10):
        seen.fold(part)
        stopped |= seen.log_e_value() >= ENOUGH
    return stopped


def test_level_is_the_quantile_of_the_champion():
    rng = np.random.default_rng(1)
    latency, mine = rng.lognormal(3, 0.5, 20_000), rng.random(20_000) < 0.5
    quantiles = Quantiles(0.95, 0.0)
    quantiles.beyond(latency, mine)
    # cells are one percent apart
    assert quantiles.at(0) == pytest.approx(np.quantile(latency[~mine], 0.95), rel=0.01)
    assert quantiles.at(1) == pytest.approx(np.quantile(latency[mine], 0.95), rel=0.01)


def test_outcome_depends_on_what_came_before_its_block_only():
    quantiles = Quantiles(0.5, 10.0)
    first = quantiles.beyond(np.full(200, 5.0), np.zeros(200, dtype=bool))
    assert np.isnan(first[:128]).all()
    assert (first[128:] == 0).all()
    later = quantiles.beyond(
        np.array([6.0, 6.0, 14.0, 16.0, np.inf]), np.array([False, True, True, True, True])
    )
    assert later.tolist() == [1, 0, 0, 1, 1]


def test_missing_latencies_are_left_out():
    quantiles = Quantiles(0.5, 0.0)
    latency = np.where(np.arange(400) % 2, np.nan, 5.0)
    found = quantiles.beyond(latency, np.zeros(400, dtype=bool))
    assert np.isnan(found[1::2]).all()
    assert quantiles.counts.sum() == 200
    assert quantiles.at(0) == pytest.approx(5.0, rel=0.02)


def test_no_latency_has_no_quantile():
    quantiles = Quantiles(0.5, 0.0)
    assert quantiles.at(0) is None
    quantiles.beyond(np.full(300, np.inf), np.zeros(300, dtype=bool))
    assert quantiles.at(0) is None


def test_merged_latencies_are_those_of_the_whole():
    rng = np.random.default_rng(2)
    latency, mine = rng.lognormal(3, 0.5, 600), rng.random(600) < 0.5
    whole, one, other = (Quantiles(0.9, 0.0) for _ in range(3))
    whole.beyond(latency, mine)
    one.beyond(latency[:300], mine[:300])
    other.beyond(latency[300:], mine[300:])
    one.merge(other)
    assert one.counts.tolist() == whole.counts.tolist()


def test_equal_latency_is_not_stopped_more_often_than_promised():
    runs = 100
    rng = np.random.default_rng(3)
    assert sum(ever_stopped(rng, 0.0, 3000) for _ in range(runs)) <= most(ALPHA, runs)


def test_load_that_both_meet_does_not_matter():
    runs, requests = 100, 3000
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(runs):
        spikes = np.repeat(rng.random(requests // 50) < 0.1, 50)
        hits += ever_stopped(rng, 0.0, requests, load=np.where(spikes, 8.0, 1.0))
    assert hits <= most(ALPHA, runs)


def test_fifth_more_latency_is_found():
    rng = np.random.default_rng(5)
    assert all(ever_stopped(rng, 0.0, 12_000, slower=1.2) for _ in range(10))


def test_fifth_more_latency_is_within_a_margin_that_allows_it():
    rng = np.random.default_rng(6)
    # the 95 % quantile is at 46 ms, so a fifth of it is 9 ms
    assert not any(ever_stopped(rng, 15.0, 6000, slower=1.2) for _ in range(10))


def test_equal_latency_passes_a_margin():
    rng = np.random.default_rng(7)
    seen = state(gate(15.0), share=SHARE)
    mine = rng.random(8000) < SHARE
    seen.fold(canary(rng, 8000, rng.lognormal(3.0, 0.5, 8000), mine))
    assert seen.find(ALPHA, ALPHA).passed


def test_request_without_an_answer_is_beyond_and_one_without_a_latency_does_not_count():
    rng = np.random.default_rng(8)
    mine = np.arange(4000) % 2 == 1
    table = canary(rng, 4000, np.full(4000, 5.0), mine)
    table["latency"] = np.where(mine & (np.arange(4000) % 4 == 1), np.nan, 5.0)
    table["failed"] = mine & (np.arange(4000) % 4 == 3) & (np.arange(4000) >= 2000)
    seen = state(gate(1.0), share=0.5)
    seen.fold(table)
    # the first 192 requests make the champion's first level
    assert seen.samples == 1000 - 64
    assert seen.mean(1) == pytest.approx(500 / seen.samples)


def test_shadow_compares_both_answers_to_one_request():
    rng = np.random.default_rng(9)
    none = np.zeros(4000, dtype=bool)
    load = rng.lognormal(3.0, 1.0, 4000)
    for slower, fails in ((1.0, False), (1.3, True)):
        table = pairs(rng, none, none)
        table["champion:latency"] = load * rng.lognormal(0, 0.1, 4000)
        table["latency"] = slower * load * rng.lognormal(0, 0.1, 4000)
        seen = state(gate(0.0), paired=True)
        seen.fold(table)
        assert seen.find(ALPHA, ALPHA).failed is fails


@pytest.mark.parametrize("limit,failed", [(30.0, True), (90.0, False)])
def test_limit_in_milliseconds_needs_no_champion(limit, failed):
    rng = np.random.default_rng(10)
    seen = state(Gate(metric="latency_quantile", max=limit, quantile=0.95), share=SHARE)
    seen.fold(canary(rng, 3000, rng.lognormal(3.0, 0.5, 3000), rng.random(3000) < SHARE))
    found = seen.find(ALPHA, ALPHA)
    assert (found.failed, found.passed) == (failed, not failed)
    assert seen.limit == pytest.approx(0.05)
