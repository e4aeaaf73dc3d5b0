import numpy as np
import pytest
import streams
from streams import CHANGES, HOUR, NO_CHANGE, Scenario

ALL = {**NO_CHANGE, **CHANGES}


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", ALL)
def test_a_stream_is_in_order_and_its_arms_follow_from_its_keys(name):
    scenario = ALL[name]
    stream = scenario.make(rng(), HOUR, scenario.share)
    assert len(stream.at) == len(stream.arm) == len(stream.y) == len(stream.key) == len(stream.known) == HOUR
    assert (np.diff(stream.at) >= 0).all()
    assert (stream.known >= stream.at).all()
    assert ((stream.y == 0) | (stream.y == 1)).all()
    assert stream.at[-1] == pytest.approx(3600, rel=0.05)
    of_key = {}
    for key, arm in zip(stream.key.tolist(), stream.arm.tolist(), strict=True):
        assert of_key.setdefault(key, arm) == arm


@pytest.mark.parametrize("name", ALL)
def test_equal_seeds_give_equal_streams(name):
    scenario = ALL[name]
    one, same, other = (scenario.make(rng(seed), 2000, 0.1) for seed in (1, 1, 2))
    assert np.array_equal(one.y, same.y)
    assert np.array_equal(one.at, same.at)
    assert np.array_equal(one.arm, same.arm)
    assert not np.array_equal(one.at, other.at)


# Three standard deviations over ten hours: 30 outages, 20 slow periods or 2,000 users vary more than single requests.
ROUGH = {"outages": 0.25, "heavy-tailed latency": 0.4, "2,000 keys": 0.25, "sessions of 20 minutes": 0.25}


# 600 correlated minutes or 200 users say too little about their average.
@pytest.mark.parametrize(
    "name", [one for one in NO_CHANGE if one not in {"AR(1) 0.8 per minute", "200 keys"}]
)
def test_without_a_change_both_variants_have_the_stated_base_rate(name):
    scenario = NO_CHANGE[name]
    stream = scenario.make(rng(3), 10 * HOUR, 0.5)
    for arm in (False, True):
        rate = stream.y[stream.arm == arm].mean()
        assert rate == pytest.approx(scenario.base, rel=ROUGH.get(name, 0.08))


@pytest.mark.parametrize(
    "name,rate",
    [
        ("errors 1 -> 2 %", 0.02),
        ("errors 1 -> 3 %", 0.03),
        ("errors 1 -> 10 %", 0.10),
        ("accuracy 85 -> 84 %", 0.16),
        ("errors 1 -> 20 % in a slice", 0.95 * 0.01 + 0.05 * 0.20),
    ],
)
def test_with_a_change_only_the_challenger_is_worse(name, rate):
    scenario = CHANGES[name]
    stream = scenario.make(rng(4), 10 * HOUR, 0.5)
    assert stream.y[~stream.arm].mean() == pytest.approx(scenario.base, rel=0.06)
    assert stream.y[stream.arm].mean() == pytest.approx(rate, rel=0.06)


def test_the_slow_challenger_has_a_p99_20_percent_longer():
    stream = CHANGES["p99 latency +20 %"].make(rng(5), 10 * HOUR, 0.5)
    champion, challenger = (np.quantile(stream.latency[stream.arm == arm], 0.99) for arm in (False, True))
    assert champion == pytest.approx(streams.P99, rel=0.03)
    assert challenger / champion == pytest.approx(1.2, rel=0.05)
    assert np.array_equal(stream.y == 1, stream.latency > streams.P99)


def test_only_the_bad_slice_is_bad():
    stream = CHANGES["errors 1 -> 20 % in a slice"].make(rng(6), 10 * HOUR, 0.5)
    in_slice = stream.slices == 0
    assert in_slice.mean() == pytest.approx(0.05, rel=0.05)
    assert stream.y[stream.arm & in_slice].mean() == pytest.approx(0.20, rel=0.06)
    assert stream.y[stream.arm & ~in_slice].mean() == pytest.approx(0.01, rel=0.06)
    assert stream.y[~stream.arm & in_slice].mean() == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.8, 0.9])
def test_ar1_has_the_stated_autocorrelation_and_unit_variance(phi):
    process = streams.ar1(rng(7), 200_000, phi)
    assert process.std() == pytest.approx(1, rel=0.03)
    assert np.corrcoef(process[1:], process[:-1])[0, 1] == pytest.approx(phi, abs=0.01)


def test_shocks_per_minute_hit_both_variants_in_the_same_minutes():
    stream = streams.shocks(rng(8), 10 * HOUR, 0.5, per_minute=True)
    minute = (stream.at / 60).astype(int)
    rates = [
        np.bincount(minute[chosen], stream.y[chosen]) / np.bincount(minute[chosen])
        for chosen in (stream.arm, ~stream.arm)
    ]
    assert np.corrcoef(rates)[0, 1] > 0.7


def test_keys_send_many_requests_and_differ():
    stream = streams.keyed(rng(9), HOUR, 0.1, keys=200)
    keys, who = np.unique(stream.key, return_inverse=True)
    assert 190 <= len(keys) <= 200
    rates = np.bincount(who, stream.y) / np.bincount(who)
    assert (rates == 0).mean() > 0.3
    assert rates.max() > 0.1


def test_sessions_end_and_keep_their_variant():
    stream = streams.sessions(rng(14), 3 * HOUR, 0.1)
    _, who = np.unique(stream.key, return_inverse=True)
    count = np.bincount(who)
    assert 900 <= len(count) <= 1000
    assert np.median(count) == pytest.approx(100, rel=0.1)
    last = np.full(len(count), -np.inf)
    first = np.full(len(count), np.inf)
    np.maximum.at(last, who, stream.at)
    np.minimum.at(first, who, stream.at)
    assert (last - first).max() <= 20 * 60


def test_late_labels_come_after_an_hour_and_out_of_order():
    stream = streams.late_labels(rng(10), HOUR, 0.1)
    assert (stream.known - stream.at).min() >= 3600
    assert (np.diff(stream.known) < 0).any()
    assert (np.diff(stream.known[stream.order]) >= 0).all()


def test_served_counts_requests_and_ends_with_the_stream():
    stream = streams.errors(rng(11), 1000, 0.1)
    assert stream.served(stream.at[10]) == 10
    assert stream.served((stream.at[10] + stream.at[11]) / 2) == 10
    assert stream.served(stream.at[-1] + 0.001) is None


def test_tallies_count_outcomes_in_the_order_in_which_they_become_known():
    stream = streams.late_labels(rng(12), 1000, 0.3)
    n1, n0, s1, s0 = (one[499] for one in stream.tallies)
    first = np.argsort(stream.known, kind="stable")[:500]
    assert n1 == stream.arm[first].sum()
    assert n0 == (~stream.arm[first]).sum()
    assert s1 == (stream.y * stream.arm)[first].sum()
    assert s0 == (stream.y * ~stream.arm)[first].sum()


@pytest.mark.parametrize("worse", [0.0, 0.01])
def test_shadow_pairs_have_the_stated_errors_and_disagreement(worse):
    pairs = streams.shadow_pairs(rng(13), 400_000, error=0.10, disagreement=0.05, worse=worse)
    assert pairs.champion.mean() == pytest.approx(0.10, abs=0.002)
    assert pairs.challenger.mean() == pytest.approx(0.10 + worse, abs=0.002)
    assert (pairs.champion != pairs.challenger).mean() == pytest.approx(0.05, abs=0.0015)


def test_hashes_are_uniform_and_depend_on_the_salt():
    keys = np.arange(100_000, dtype=np.uint64)
    one, other = streams.hashed(keys, 1), streams.hashed(keys, 2)
    assert (one >= 0).all()
    assert (one < 1).all()
    assert np.histogram(one, 20, (0, 1))[0] == pytest.approx(5000, rel=0.06)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


def test_a_scenario_makes_its_own_length_and_share():
    stream = Scenario("short", streams.errors, 0.02, requests=5000, share=0.3).stream(1, 2)
    assert len(stream.at) == 5000
    assert stream.arm.mean() == pytest.approx(0.3, abs=0.03)
