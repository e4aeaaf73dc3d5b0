"""What dependent requests are worth: callers with many requests, and neighbours in time."""

import math

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import mixed
from airflow_mlops.core.rollout.clusters import Clusters, Moments, bucket_of
from tests.core.rollout.chance import most
from tests.core.rollout.tables import answers, keys, portions, state, takes

ALPHA = 0.05
ENOUGH = -math.log(ALPHA)
EQUAL = Gate(metric="error_rate", margin=0.0)


def equal_clusters(rng, clusters, each, rho, rate=0.3):
    """Outcomes whose correlation within a cluster is ``rho``: with this chance one copies its cluster's."""
    cluster = np.repeat(np.arange(clusters), each)
    common = rng.random(clusters)[cluster] < rate
    own = rng.random(len(cluster)) < rate
    copies = rng.random(len(cluster)) < math.sqrt(rho)
    return np.where(copies, common, own).astype(float), cluster


# ---- keys


def test_one_request_per_key_is_one_observation():
    rng = np.random.default_rng(1)
    y = (rng.random(2000) < 0.1).astype(float)
    alone = Clusters(1, 2000)
    alone.add(y, np.arange(2000))
    # the jackknife has n - 1 where the plain variance has n
    assert alone.design_effect == pytest.approx(1.0, abs=1e-2)
    bucketed = []
    for _ in range(20):
        clusters = Clusters(2)
        mine = rng.random(20_000) < 0.3
        y = (rng.random(20_000) < 0.1).astype(float)
        clusters.add(y, bucket_of(keys(rng, 20_000)), mine.astype(np.int64))
        bucketed.append(clusters.design_effect)
    assert np.mean(bucketed) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("each,rho", [(5, 0.0), (5, 0.3), (20, 0.1), (20, 0.5)])
def test_equal_clusters_have_the_design_effect_of_the_textbook(each, rho):
    # Kish 1965, section 8.2: 1 + (m - 1) rho
    rng = np.random.default_rng(2)
    found = []
    for _ in range(10):
        y, cluster = equal_clusters(rng, 1000, each, rho)
        clusters = Clusters(1, 1000)
        clusters.add(y, cluster)
        found.append(clusters.design_effect)
    assert np.mean(found) == pytest.approx(1 + (each - 1) * rho, rel=0.06)


def test_keys_that_share_a_bucket_change_nothing_in_expectation():
    rng = np.random.default_rng(3)
    exact, bucketed = [], []
    for _ in range(30):
        y, cluster = equal_clusters(rng, 6000, 4, 0.4)
        alone, together = Clusters(1, 6000), Clusters(1)
        alone.add(y, cluster)
        together.add(y, bucket_of(keys(rng, 6000))[cluster])
        exact.append(alone.design_effect)
        bucketed.append(together.design_effect)
    assert np.mean(bucketed) == pytest.approx(np.mean(exact), rel=0.02)


def test_a_worse_challenger_is_no_dependence():
    rng = np.random.default_rng(4)
    key = keys(rng, 300)[rng.integers(0, 300, 30_000)]
    mine = takes(key, 0.5)
    clusters = Clusters(2)
    y = (rng.random(30_000) < np.where(mine, 0.5, 0.05)).astype(float)
    clusters.add(y, bucket_of(key), mine.astype(np.int64))
    assert clusters.design_effect == pytest.approx(1.0, abs=0.3)


def test_a_single_key_is_one_observation_however_many_requests_it_sends():
    clusters = Clusters(2)
    clusters.add(np.ones(500), np.full(500, 7), np.ones(500, dtype=np.int64))
    clusters.add(np.zeros(500), np.arange(500), np.zeros(500, dtype=np.int64))
    assert clusters.design_effect == 500
    assert clusters.effective == pytest.approx(1.0)


def test_effective_number_of_keys_is_kishs():
    clusters = Clusters(1)
    clusters.add(np.zeros(100), np.arange(100) % 10)
    assert clusters.effective == pytest.approx(10)
    clusters.add(np.zeros(900), np.zeros(900, dtype=np.int64))
    assert clusters.effective == pytest.approx(1000**2 / (910**2 + 9 * 10**2))


def test_merged_clusters_are_those_of_the_whole():
    rng = np.random.default_rng(5)
    y, cluster, arm = rng.random(900), rng.integers(0, 50, 900), rng.integers(0, 2, 900)
    whole, one, other = Clusters(2), Clusters(2), Clusters(2)
    whole.add(y, cluster, arm)
    one.add(y[:400], cluster[:400], arm[:400])
    other.add(y[400:], cluster[400:], arm[400:])
    one.merge(other)
    assert one.numbers.tolist() == whole.numbers.tolist()
    assert one.sums == pytest.approx(whole.sums)
    assert one.design_effect == pytest.approx(whole.design_effect)


def test_no_variance_and_no_outcomes_have_no_design_effect():
    clusters = Clusters(2)
    assert clusters.design_effect == 1.0
    clusters.add(np.zeros(100), np.arange(100), np.arange(100) % 2)
    assert clusters.design_effect == 1.0


# ---- what it is for


def stopped(rng, requests, weights, rate_of_key, share, looks=10):
    """Whether an equal challenger is ever stopped: with the design effect, and without it."""
    key = keys(rng, len(weights))
    who = rng.choice(len(weights), size=requests, p=weights)
    failed = rng.random(requests) < rate_of_key[who]
    seen = state(EQUAL, share=share)
    tempered = untempered = False
    for part in portions(answers(rng, failed, takes(key, share)[who], key=key[who]), looks):
        seen.fold(part)
        capital = mixed(seen.evidence().above(0.0))
        untempered |= capital >= ENOUGH
        tempered |= seen.log_e_value() >= ENOUGH
    return tempered, untempered


def test_few_keys_that_fail_do_not_stop_a_good_model():
    # 200 callers, of which 2 % fail half of the time, whoever answers them
    runs = 100
    rng = np.random.default_rng(12)
    found = np.array(
        [
            stopped(rng, 8000, np.full(200, 1 / 200), np.where(rng.random(200) < 0.02, 0.5, 0.0), 0.1)
            for _ in range(runs)
        ]
    )
    tempered, untempered = found.sum(axis=0)
    assert tempered <= most(ALPHA, runs)
    # without the design effect it is wrong in about a quarter
    assert untempered > most(ALPHA, runs)


@pytest.mark.parametrize("heavy", [0.1, 0.5, 0.9])
def test_one_heavy_caller_that_fails_does_not_stop_a_good_model(heavy):
    runs = 60
    rng = np.random.default_rng(13)
    weights = np.append(heavy, np.full(500, (1 - heavy) / 500))
    rates = np.append(0.5, np.full(500, 0.01))
    hits = sum(stopped(rng, 5000, weights, rates, 0.3)[0] for _ in range(runs))
    assert hits <= most(ALPHA, runs)


def test_heavy_keys_prove_nothing_by_the_side_on_which_they_are():
    # independent outcomes, so no design effect: only where the centre lies keeps this valid
    runs = 30
    rng = np.random.default_rng(14)
    weights = 1 / np.arange(1, 501)
    weights /= weights.sum()
    hits = sum(stopped(rng, 60_000, weights, np.full(500, 0.45), 0.5)[0] for _ in range(runs))
    assert hits <= most(ALPHA, runs)


# ---- moments


def autocorrelated(rng, size, phi):
    x = np.empty(size)
    x[0] = rng.normal()
    noise = rng.normal(size=size) * math.sqrt(1 - phi**2)
    for step in range(1, size):
        x[step] = phi * x[step - 1] + noise[step]
    return x


def test_independent_neighbours_are_near_one():
    rng = np.random.default_rng(21)
    found = []
    for _ in range(20):
        moments = Moments()
        moments.add(rng.normal(size=5000), np.arange(5000.0))
        found.append(moments.design_effect)
    assert np.median(found) < 1.5


def test_autocorrelation_has_the_design_effect_of_the_textbook():
    # (1 + phi) / (1 - phi), the variance inflation of the mean of an AR(1) process
    rng = np.random.default_rng(22)
    found = []
    for _ in range(20):
        moments = Moments()
        moments.add(autocorrelated(rng, 10_000, 0.8), np.arange(10_000.0))
        found.append(moments.design_effect)
    assert np.median(found) == pytest.approx(9.0, rel=0.25)


def test_widening_keeps_the_sums():
    rng = np.random.default_rng(23)
    y, elapsed = rng.random(500), np.sort(rng.random(500) * 1e6)
    moments = Moments()
    for part in np.array_split(np.arange(500), 50):
        moments.add(y[part], elapsed[part])
    at_once = Moments()
    at_once.add(y, elapsed)
    assert moments.width == at_once.width
    assert moments.width * 256 > elapsed.max() >= moments.width * 128
    assert moments.clusters.numbers.tolist() == at_once.clusters.numbers.tolist()
    assert moments.clusters.sums == pytest.approx(at_once.clusters.sums)
    assert moments.clusters.numbers.sum() == 500


@pytest.mark.parametrize("spans", [(3.0, 5e5), (5e5, 3.0), (40.0, 40.0)])
def test_merged_moments_are_those_of_the_whole(spans):
    rng = np.random.default_rng(24)
    one, other, whole = Moments(), Moments(), Moments()
    for moments, span in zip((one, other), spans, strict=True):
        y, elapsed = rng.random(200), rng.random(200) * span
        moments.add(y, elapsed)
        whole.add(y, elapsed)
    before = other.clusters.numbers.copy()
    one.merge(other)
    assert one.width == whole.width
    assert one.clusters.numbers.tolist() == whole.clusters.numbers.tolist()
    assert one.clusters.sums == pytest.approx(whole.clusters.sums)
    assert one.design_effect == pytest.approx(whole.design_effect)
    assert other.clusters.numbers.tolist() == before.tolist()


def test_answers_from_before_the_start_count_at_the_start():
    moments = Moments()
    moments.add(np.ones(3), np.array([-1e9, -0.5, 0.0]))
    moments.add(np.empty(0), np.empty(0))
    assert moments.clusters.numbers[0, 0] == 3
