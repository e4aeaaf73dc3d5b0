import math
import pickle
from functools import partial

import numpy as np
import pytest
import rivals
import streams
from rivals import RIVALS, Plan, Stop, first_stop, mann_whitney_high
from scipy.stats import norm, rankdata

PLAN = Plan(share=0.5, base=0.02)


def rng(seed=0):
    return np.random.default_rng(seed)


def within_binomial(hits, runs, chance):
    """Whether the hits are what so many runs of that chance give, but for one in 1,000 repetitions."""
    return abs(hits / runs - chance) <= 3.3 * math.sqrt(chance * (1 - chance) / runs) + 0.5 / runs


def false_stops(decider, runs, requests=8000, rate=0.2, share=0.5):
    plan = Plan(share, rate)
    return sum(
        decider(streams.errors(rng([17, run]), requests, share, good=rate), plan) is not None
        for run in range(runs)
    )


def by_minute(failing, minutes=30, latency=None):
    """A challenger alone, 100 requests a minute; in each failing minute it is bad in all of them."""
    size = 100 * minutes + 1
    at = np.arange(size) * 0.6
    minute = (at // 60).astype(int)
    y = np.isin(minute, failing).astype(float)
    ms = None if latency is None else np.where(y > 0, latency, 50.0)
    return streams.Stream(at, np.ones(size, bool), y, ms, np.arange(size, dtype=np.uint64), at)


def last_request(minute):
    """The request served as the given minute (from 1) is over."""
    return 100 * minute


def test_first_stop_counts_all_and_the_challengers_requests():
    stream = streams.errors(rng(1), 1000, 0.3)
    stop = first_stop(lambda *_: 99, stream, PLAN)
    assert stop == Stop(100, float(stream.arm[:100].sum()))
    assert first_stop(lambda *_: None, stream, PLAN) == Stop(math.inf, math.inf)


@pytest.mark.parametrize("name", RIVALS)
def test_every_rival_survives_little_data_and_can_be_sent_to_a_process(name):
    decider = pickle.loads(pickle.dumps(RIVALS[name]))
    for requests in (2, 50, 600):
        for make in (streams.errors, streams.late_labels, streams.heavy_tails):
            index = decider(make(rng(2), requests, 0.1), Plan(0.1, 0.02, 450.0))
            assert index is None or 0 <= index < requests


@pytest.mark.parametrize("name", RIVALS)
def test_no_rival_sees_an_outcome_before_it_is_known(name):
    scenario = streams.CHANGES["accuracy 85 -> 84 %"]
    stream = partial(streams.late_labels, worse=0.5)(rng(3), 2 * streams.HOUR, 0.1)
    index = RIVALS[name](stream, Plan.of(scenario))
    assert index is None or stream.at[index] >= 3600


class TestFlagger:
    def test_stops_at_the_fifth_failed_check_even_if_others_passed_between(self):
        assert rivals.flagger(by_minute([0, 2, 4, 6, 8]), PLAN) == last_request(9)

    def test_four_failed_checks_are_not_enough(self):
        assert rivals.flagger(by_minute([0, 2, 4, 6]), PLAN) is None

    def test_promotes_after_ten_passed_checks_whatever_comes_then(self):
        assert rivals.flagger(by_minute(range(10, 30)), PLAN) is None
        assert rivals.flagger(by_minute(range(9, 30)), PLAN) == last_request(14)

    def test_no_values_are_a_failed_check(self):
        stream = by_minute([])
        silent = np.zeros(len(stream.at), bool)
        nothing = streams.Stream(stream.at, silent, stream.y, None, stream.key, stream.at)
        assert rivals.flagger(nothing, PLAN) == last_request(5)

    def test_looks_at_the_p99_where_there_is_latency(self):
        bad = list(range(5))
        assert rivals.flagger(by_minute(bad, latency=501.0), PLAN) == last_request(5)
        assert rivals.flagger(by_minute(bad, latency=499.0), PLAN) is None
        assert rivals.flagger(by_minute(bad, latency=499.0), Plan(0.5, 0.02, 300.0), tuned=True) is not None

    def test_the_relative_form_compares_with_the_primary_of_the_same_minute(self):
        size = 20_000
        at = np.arange(size) * 0.06
        arm = np.arange(size) % 2 == 0
        keys = np.arange(size, dtype=np.uint64)
        common = (np.arange(size) % 10 < 4).astype(float)
        assert rivals.flagger_relative(streams.Stream(at, arm, common, None, keys, at), PLAN) is None
        alone = common * arm + (np.arange(size) % 10 == 0)
        worse = streams.Stream(at, arm, np.minimum(alone, 1.0), None, keys, at)
        assert rivals.flagger_relative(worse, PLAN) is not None


class TestArgo:
    def test_fails_at_the_fourth_failed_measurement_of_five_minutes(self):
        assert rivals.argo(by_minute([0, 5, 10], minutes=45), PLAN) is None
        assert rivals.argo(by_minute([0, 5, 10, 20], minutes=45), PLAN) == last_request(25)

    def test_has_eight_measurements(self):
        assert rivals.argo(by_minute(range(25, 60), minutes=60), PLAN) is None

    def test_five_measurements_in_a_row_without_data_are_an_error(self):
        stream = by_minute([], minutes=45)
        silent = np.zeros(len(stream.at), bool)
        nothing = streams.Stream(stream.at, silent, stream.y, None, stream.key, stream.at)
        assert rivals.argo(nothing, PLAN) == last_request(25)


class TestSageMaker:
    def test_the_documented_error_alarm_never_rings(self):
        assert rivals.sagemaker(by_minute(range(60), minutes=60), PLAN) is None

    def test_the_documented_latency_alarm_wants_two_periods_of_five_minutes(self):
        assert rivals.sagemaker(by_minute(range(5), latency=500.0), PLAN) is None
        assert rivals.sagemaker(by_minute(range(10), latency=500.0), PLAN) == last_request(10)

    @pytest.mark.parametrize("datapoints,minute", [(1, 3), (3, 8)])
    def test_a_tuned_alarm_wants_its_datapoints_in_a_row(self, datapoints, minute):
        stream = by_minute([2, 5, 6, 7])
        stopped = rivals.sagemaker(stream, PLAN, datapoints, tuned=True)
        assert stopped == last_request(minute)

    def test_nobody_watches_after_an_hour_of_baking(self):
        assert rivals.sagemaker(by_minute(range(60, 90), minutes=90), PLAN, 1, tuned=True) is None
        assert rivals.sagemaker(by_minute(range(59, 90), minutes=90), PLAN, 1, tuned=True) == last_request(60)


class TestKayenta:
    # Measured with another implementation of the rule: one run of 60 minutes, each variant with shocks of its own.
    @pytest.mark.parametrize("phi,known", [(0.0, 0.003), (0.3, 0.02), (0.6, 0.11), (0.8, 0.28), (0.9, 0.49)])
    def test_stops_good_models_as_often_as_known(self, phi, known):
        random, runs = rng(4), 400
        hits = sum(
            mann_whitney_high(
                10 + streams.ar1(random, 60, phi), 10 + streams.ar1(random, 60, phi), either=True
            )
            for _ in range(runs)
        )
        # the known shares are rounded
        assert within_binomial(hits, runs, known) or abs(hits / runs - known) <= 0.01

    def test_the_interval_is_where_the_rank_statistic_crosses_its_quantile(self):
        """High is: the lower limit of the shift is above a quarter of its estimate."""
        random = rng(5)
        control, experiment = random.normal(size=25), random.normal(size=30)
        shifts = np.linspace(0, 3, 601)
        verdicts = [mann_whitney_high(control + 10, experiment + 10 + shift) for shift in shifts]
        expected = [
            _crosses(control, experiment + shift, 0.25 * abs(_median(control, experiment + shift)))
            for shift in shifts
        ]
        assert verdicts == expected
        assert True in verdicts
        assert False in verdicts

    def test_the_same_numbers_everywhere_are_no_difference(self):
        assert not mann_whitney_high(np.full(60, 0.02), np.full(60, 0.02))
        assert not mann_whitney_high(np.zeros(0), np.full(60, 0.02))

    def test_judges_after_each_hour(self):
        stream = streams.errors(rng(6), 3 * streams.HOUR, 0.1, good=0.01, bad=0.10)
        index = rivals.kayenta(stream, Plan(0.1, 0.01))
        assert stream.at[index] <= 3600 < stream.at[index + 1]
        short = streams.errors(rng(6), streams.HOUR // 2, 0.1, good=0.01, bad=0.10)
        assert rivals.kayenta(short, Plan(0.1, 0.01)) is None


class TestStatistics:
    def test_a_z_test_at_forty_looks_stops_26_percent_of_good_models(self):
        runs = 400
        assert within_binomial(false_stops(rivals.z_test, runs), runs, 0.257)

    def test_a_z_test_at_one_look_stops_5_percent(self):
        runs = 400
        assert within_binomial(false_stops(partial(rivals.z_test, looks=1), runs), runs, 0.05)

    def test_obrien_fleming_stops_5_percent(self):
        runs = 400
        assert within_binomial(false_stops(rivals.obrien_fleming, runs), runs, 0.05)

    def test_msprt_stops_at_most_5_percent(self):
        runs = 400
        hits = false_stops(rivals.msprt, runs)
        assert hits <= 0.05 * runs + 3.3 * math.sqrt(0.05 * 0.95 * runs)

    def test_msprt_is_the_published_ratio(self):
        """Against the formula for n pairs as in the R package mixtureSPRT, at the request where it stops."""
        stream = streams.errors(rng(8), 6000, 0.5, good=0.2, bad=0.3)
        plan = Plan(0.5, 0.2, effect=0.1)
        index = rivals.msprt(stream, plan)
        end = 0.2 * 0.8 * (1 / stream.arm.sum() + 1 / (~stream.arm).sum())
        b = math.sqrt(2 * math.log(20) * end) / 0.1
        tau2 = 0.1**2 * norm.cdf(-b) / (norm.pdf(b) / b - norm.cdf(-b))

        def ratio(until):
            y, arm = stream.y[:until], stream.arm[:until]
            x, z = y[arm], y[~arm]
            variance = x.mean() * (1 - x.mean()) / len(x) + z.mean() * (1 - z.mean()) / len(z)
            shift = x.mean() - z.mean()
            return math.sqrt(variance / (variance + tau2)) * math.exp(
                shift**2 * tau2 / (2 * variance * (variance + tau2))
            )

        assert ratio(index + 1) >= 20 > ratio(index)

    @pytest.mark.parametrize("decider", [rivals.z_test, rivals.obrien_fleming, rivals.msprt])
    def test_a_much_worse_challenger_is_stopped_and_a_better_one_is_not(self, decider):
        worse = streams.errors(rng(9), 8000, 0.5, good=0.02, bad=0.10)
        better = streams.errors(rng(9), 8000, 0.5, good=0.10, bad=0.02)
        hopeless = streams.errors(rng(9), 8000, 0.5, good=0.0, bad=1.0)
        assert decider(worse, PLAN) is not None
        assert decider(hopeless, PLAN) is not None
        assert decider(better, PLAN) is None


def _median(control, experiment):
    return float(np.median(np.subtract.outer(experiment, control)))


def _crosses(control, experiment, shift):
    """Whether the shift is below the lower 98 % limit: the rank sum at that shift is still significant."""
    m, n = len(experiment), len(control)
    ranks = rankdata(np.concatenate([experiment - shift, control]))
    excess = ranks[:m].sum() - m * (m + 1) / 2 - m * n / 2
    z = (excess - 0.5 * np.sign(excess)) / math.sqrt(m * n * (m + n + 1) / 12)
    return bool(z >= norm.ppf(0.99))
