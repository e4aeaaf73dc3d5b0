"""A plan says what the judge will do: held against the judge itself, and against what is known by hand."""

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.errors import DataError, RegistryError, SpecError
from airflow_mlops.core.rollout.advice import duration
from airflow_mlops.core.rollout.judge import open_watch
from airflow_mlops.core.rollout.past_traffic import read_past_traffic
from airflow_mlops.core.serving.capture import GroundTruth
from airflow_mlops.core.serving.split import takes_challenger
from tests.core.registry import world
from tests.core.rollout import past
from tests.core.rollout.planning import (
    DAY,
    NOW,
    Traffic,
    answer,
    canary,
    captured,
    champion,
    only_gate,
    planned,
    seen,
    shadow,
)

ERRORS = {"metric": "error_rate", "margin": 0.05}
BRIER = {"metric": "brier", "margin": 0.03}
START = NOW


# ---- the judge itself


def judged(spec, stage, weight, requests, wanted, *, runs=40, look=15, most=3000):
    """After how many live requests the judge says so: the median. :param requests: what one request leaves behind."""
    after = []
    for run in range(runs):
        rng = np.random.default_rng((7, run))
        watch = open_watch(stage, spec.rollout, "binary", 1, 2, START, weight=weight)
        for first in range(0, most, look):
            records, labels = [], []
            for number in range(first, first + look):
                one, truth = requests(rng, number, f"{run}/{number}")
                records += one
                labels += truth
            watch.feed(records, labels, START.timestamp() + first + look)
            if watch.results()[0].outcome == wanted:
                break
        after.append(first + look)
    return float(np.median(after))


def canary_request(failures, weight):
    def request(rng, number, key):
        record = answer(number, START + timedelta(seconds=number), (0.5,), key=key)
        mine = takes_challenger(record.key, weight)
        role = {"variant": "v2", "role": "challenger"} if mine else {}
        if rng.random() < failures[mine]:
            role |= {"status": 500, "predictions": None}
        return [record.model_copy(update=role)], []

    return request


@pytest.mark.parametrize("worse,wanted", [(0.15, "fail"), (0.0, "pass")])
def test_plan_of_a_canary_agrees_with_the_judge(worse, wanted):
    spec = canary(ERRORS)
    gate = only_gate(planned(spec, detect={"error_rate": 0.15}, runs=200))
    effort = gate.stopped if wanted == "fail" else gate.passed
    request = canary_request((gate.level, gate.level + worse), 0.3)
    found = judged(spec, "canary", 0.3, request, wanted, look=20)
    assert 1 / 1.3 < found / effort.requests.median < 1.3


@pytest.mark.parametrize("worse,wanted", [(0.1, "fail"), (0.0, "pass")])
def test_plan_of_a_shadow_agrees_with_the_judge(worse, wanted):
    spec = shadow(BRIER)
    traffic = seen(spec, Traffic(failures=0.0, late=0.0))
    gate = only_gate(planned(spec, traffic, detect={"brier": 0.1}, runs=200, differ=0.0 if worse else 0.1))

    def request(rng, number, key):
        at = START + timedelta(seconds=number)
        guess = float(rng.beta(1, 3))
        label = float(rng.random() < guess)
        loss = (guess - label) ** 2
        if worse:
            loss += worse / (1 - gate.level) * (1 - loss)
        elif rng.random() < 0.1:
            other = rng.beta(1, 3)
            loss = (other - (rng.random() < other)) ** 2
        wrong = abs(label - loss**0.5)
        shadowed = {"variant": "v2", "role": "shadow", "chosen": "shadow", "event_id": f"shadow-{number}"}
        live = answer(number, at, (guess,), key=key)
        copy = answer(number, at, (wrong,), key=key, **shadowed)
        return [live, copy], [GroundTruth(inference_id=f"request-{number}", label=label, at=at)]

    effort = gate.stopped if wanted == "fail" else gate.passed
    found = judged(spec, "shadow", 0.0, request, wanted, look=10)
    assert 1 / 1.3 < found / effort.requests.median < 1.3


# ---- what is read


def test_traffic_is_summed_up():
    spec = shadow(ERRORS, BRIER)
    traffic = seen(spec, Traffic(requests=2000, every=2.0, late=600.0, labelled=0.8, rows=2))
    assert traffic.champion == 1
    assert traffic.requests.rows == 2000
    assert traffic.rows.rows == 4000
    assert traffic.rate == pytest.approx(0.5)
    assert traffic.delay == (600.0, 600.0)
    # the last ten minutes have no labels yet and say nothing about how many will come
    assert traffic.label_share == pytest.approx(0.8, abs=0.03)
    assert traffic.labelled.rows < 0.8 * 4000


def test_requests_that_others_answered_count_for_the_rate_only():
    store = captured(world.MemoryStore(), Traffic(requests=1000), NOW)
    at = NOW - timedelta(seconds=500)
    more = [
        *(answer(5000 + n, at, (0.1,), variant="v2", role="challenger") for n in range(300)),
        *(answer(6000 + n, at, (0.1,), variant="v2", role="shadow", chosen="shadow") for n in range(300)),
        *(answer(7000 + n, at, (0.1,), chosen="target") for n in range(300)),
        *(answer(8000 + n, at - DAY, (0.1,)) for n in range(300)),
        *(answer(9000 + n, NOW + timedelta(minutes=5), (0.1,)) for n in range(300)),
    ]
    past.keep(store, more, "b")
    traffic = read_past_traffic(store, shadow(ERRORS), DAY, NOW)
    assert traffic.requests.rows == 1000
    assert traffic.rate == pytest.approx(1.3, rel=0.01)


def test_without_a_champion_there_is_nothing_to_plan_with():
    with pytest.raises(RegistryError, match="orders has no champion to plan with"):
        read_past_traffic(world.MemoryStore(), shadow(ERRORS), DAY, NOW)


@pytest.mark.parametrize("requests", [0, 29])
def test_without_traffic_there_is_nothing_to_plan_with(requests):
    store = captured(world.MemoryStore(), Traffic(requests=requests), NOW)
    with pytest.raises(DataError, match=f"given {requests} answers in the last 24 h; expected at least 30"):
        read_past_traffic(store, shadow(ERRORS), DAY, NOW)


def test_the_traffic_of_another_version_is_not_the_champions():
    store = champion(world.MemoryStore())
    past.keep(store, [answer(n, NOW - timedelta(seconds=n + 1), (0.1,), variant="v7") for n in range(99)])
    with pytest.raises(DataError, match="version 1 of orders"):
        read_past_traffic(store, shadow(ERRORS), DAY, NOW)


# ---- what is asked


@pytest.mark.parametrize(
    "given,words",
    [
        ({"detect": {"brierr": 0.1}}, "given brierr; expected one of brier, error_rate"),
        ({"detect": {"brier": 0.0}}, "how much worse in brier; given 0.0; expected a number above 0"),
        ({"detect": {"brier": float("nan")}}, "expected a number above 0"),
        ({"detect": {"error_rate": 1.5}}, "no challenger can be that much worse in error_rate; given 1.5"),
        ({"differ": 1.5}, "differ: share of the rows answered otherwise; given 1.5"),
        ({"runs": 0}, "runs and seed"),
        ({"seed": -1}, "runs and seed"),
    ],
)
def test_what_can_not_be_is_refused(given, words):
    with pytest.raises(SpecError, match=re.escape(words)):
        planned(shadow(ERRORS, BRIER), **given)


def test_the_change_is_twice_the_margin_unless_another_one_is_asked_for():
    spec = shadow(ERRORS, {**BRIER, "slice": "carrier=UA"})
    errors, brier = planned(spec).stages[0].gates
    assert (errors.change, brier.change) == (0.1, 0.06)
    errors, brier = planned(spec, detect={"brier[carrier=UA]": 0.2, "error_rate": 0.3}).stages[0].gates
    assert (errors.change, brier.change) == (0.3, 0.2)


def test_the_change_mirrors_an_absolute_limit():
    gate = only_gate(planned(canary({"metric": "error_rate", "max": 0.05})))
    assert gate.level == pytest.approx(0.01, abs=0.006)
    assert gate.level + gate.change == pytest.approx(0.1 - gate.level)


def test_the_same_seed_gives_the_same_plan():
    spec = canary(ERRORS)
    traffic = seen(spec)
    assert planned(spec, traffic) == planned(spec, traffic)
    assert planned(spec, traffic) != planned(spec, traffic, seed=1)


# ---- what comes out


def test_larger_changes_and_wider_margins_are_decided_sooner():
    traffic = seen(canary(ERRORS))
    stopped = [
        only_gate(planned(canary(ERRORS), traffic, detect={"error_rate": change})).stopped.requests.median
        for change in (0.1, 0.2, 0.4)
    ]
    assert stopped == sorted(stopped, reverse=True)
    passed = [
        only_gate(planned(canary({**ERRORS, "margin": margin}), traffic)).passed.requests.median
        for margin in (0.02, 0.05, 0.1)
    ]
    assert passed == sorted(passed, reverse=True)


def test_time_follows_from_the_rate_the_share_and_the_labels():
    spec = canary(BRIER, weight=0.2)
    gate = only_gate(planned(spec, seen(spec, Traffic(every=2.0, late=1200.0, labelled=0.5))))
    for effort in (gate.stopped, gate.passed):
        assert effort.challenger.median == pytest.approx(0.2 * effort.requests.median, abs=1)
        assert effort.seconds.median == pytest.approx(effort.requests.median * 2.0 + 1200.0, rel=1e-6)
    every = only_gate(planned(spec, seen(spec, Traffic(every=2.0, late=1200.0))))
    assert gate.passed.requests.median == pytest.approx(2 * every.passed.requests.median, rel=0.25)


def test_a_slice_has_its_part_of_the_requests():
    whole, part = (
        only_gate(planned(canary({"metric": "error_rate", "max": 0.05, **where})))
        for where in ({}, {"slice": "carrier=AA"})
    )
    assert part.captured == 3000 / 4
    assert part.passed.requests.median == pytest.approx(4 * whole.passed.requests.median, rel=0.35)


def test_requests_of_one_key_say_less():
    spec = canary(ERRORS)
    alone = only_gate(planned(spec))
    together = planned(spec, seen(spec, Traffic(per_key=10)))
    gate = only_gate(together)
    assert gate.design_effect > 4
    assert gate.passed.requests.median > 3 * alone.passed.requests.median
    assert any("requests depend on each other" in line for line in together.warnings)


def test_all_requests_of_few_keys_pass_nothing_soon():
    spec = canary(ERRORS, weight=0.5)
    gate = only_gate(planned(spec, seen(spec, Traffic(failures=0.0, per_key=100))))
    # 30 keys of the challenger, 100 requests each, and as many of the champion
    assert gate.passed.requests.median == pytest.approx(6000, rel=0.15)


def test_least_sample_and_dwell_time_hold_a_stage_back():
    (stage,) = planned(canary(ERRORS, min_samples=3000)).stages
    assert stage.passed.challenger.median == pytest.approx(3000, abs=1)
    assert stage.reached == pytest.approx(3000 / 0.3, rel=0.01)
    spec = canary(ERRORS, steps=[{"weight": 0.3, "dwell": "12h"}])
    assert planned(spec).stages[0].passed.seconds.median == 12 * 3600


def test_the_whole_is_the_sum_of_its_stages():
    gates = [ERRORS]
    spec = world.spec(
        rollout={
            "replay": {"gates": gates, "min_samples": 50},
            "shadow": {"gates": gates, "min_samples": 50},
            "canary": {"gates": gates, "min_samples": 50, "steps": [0.1, 0.5]},
        }
    )
    found = planned(spec)
    assert [stage.name for stage in found.stages] == ["replay", "shadow", "canary 0.1", "canary 0.5"]
    assert found.stages[0].passed.seconds.most == 0.0
    medians = [stage.passed.seconds.median for stage in found.stages]
    assert found.seconds.median == pytest.approx(sum(medians), rel=0.25)
    assert found.warnings == ()


@pytest.mark.parametrize(
    "gate",
    [
        {"metric": "latency", "threshold": 22, "margin": 0.1},
        {"metric": "latency_quantile", "quantile": 0.9, "margin": 3},
        {"metric": "latency_quantile", "quantile": 0.9, "max": 40},
        {"metric": "accuracy", "margin": 0.05},
        {"metric": "accuracy", "min": 0.5},
        {"metric": "log_loss", "margin": 0.1},
        {"metric": "loss", "max": 0.3},
        {"metric": "disagreement", "max": 0.2},
        {"metric": "score_shift", "max": 0.2},
    ],
)
def test_every_metric_can_be_planned(gate):
    found = only_gate(planned(shadow(gate), runs=20))
    assert found.obstacle == ""
    assert found.stopped.requests.median < 3000
    assert found.passed.requests.median < 3000
    assert found.level is not None


def test_a_regression_is_planned_in_the_labels_unit():
    spec = world.spec(
        training={"objective": "regression"},
        rollout={"shadow": {"gates": [{"metric": "mae", "margin": 0.1, "threshold": 2}], "min_samples": 50}},
    )
    found = only_gate(planned(spec))
    assert found.change == pytest.approx(0.2)
    assert found.level == pytest.approx(0.3, abs=0.05)


# ---- what does not fit


def test_a_gate_without_labels_can_not_be_planned():
    spec = shadow(BRIER, ERRORS)
    found = planned(spec, seen(spec, Traffic(labelled=0.0)))
    assert found.stages[0].gates[0].stopped is None
    assert found.stages[0].gates[1].stopped is not None
    assert found.stages[0].passed.seconds.median is None
    assert found.seconds.median is None
    (line,) = found.warnings
    assert line.startswith(
        "shadow, brier, margin 0.03: no ground truth in the captured traffic; so it stays undecided"
    )


@pytest.mark.parametrize(
    "spec,words",
    [
        (canary({**ERRORS, "margin": 0.0}), "margin 0 passes no challenger that is only as good"),
        (canary({**ERRORS, "margin": -0.01}), "margin -0.01 passes no challenger"),
        (
            canary({"metric": "error_rate", "max": 0.005}),
            "at most 0.005 passes no challenger that is only as good",
        ),
        (canary({**ERRORS, "slice": "carrier=ZZ"}), "no captured request that it could judge"),
        (canary(ERRORS, max_duration="2m"), "to pass, and max_duration is 2 min; raise the margin to about"),
        (canary(ERRORS, max_duration="2m"), "or raise max_duration or the weight"),
        (canary(ERRORS, max_duration="1m"), "min_samples 50 takes 3 min, and max_duration is 60 s"),
        (canary(BRIER, max_duration="5m"), "its labels come after 10 min, and max_duration is 5 min"),
        (
            world.spec(
                rollout={
                    "replay": {"gates": [ERRORS], "window": "1m", "min_samples": 50},
                    "shadow": {"gates": [ERRORS]},
                }
            ),
            "and about 60 are there; raise the margin to about",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_change(spec, words):
    lines = planned(spec).warnings
    assert any(words in line for line in lines), lines


def test_a_change_that_is_allowed_is_not_stopped():
    found = planned(canary(ERRORS), detect={"error_rate": 0.04})
    assert only_gate(found).stopped.requests.median is None
    (line,) = found.warnings
    assert line.startswith(
        "canary 0.3, error_rate, margin 0.05: a challenger that is 0.04 worse is within the limit"
    )


def test_the_margin_that_is_proposed_fits():
    spec = canary({**ERRORS, "margin": 0.01}, max_duration="30m")
    traffic = seen(spec)
    proposed = only_gate(planned(spec, traffic)).fitting
    assert 0.01 < proposed < 0.2
    wider = canary({**ERRORS, "margin": proposed * 1.05}, max_duration="30m")
    (stage,) = planned(wider, traffic, runs=100).stages
    assert stage.fits(stage.passed)
    assert stage.gates[0].fitting is None
    assert stage.passed.seconds.most > 0.5 * 1800


def test_what_takes_too_long_to_be_simulated_is_told_roughly():
    spec = canary({**ERRORS, "margin": 0.004}, weight=0.01)
    found = planned(spec)
    gate = only_gate(found)
    assert gate.passed.requests.median is None
    assert gate.about > 100_000
    assert "needs about" in found.warnings[0]


def test_few_requests_are_said_to_be_few():
    spec = canary(ERRORS)
    found = planned(spec, seen(spec, Traffic(requests=100)))
    assert found.warnings[0].startswith("only 100 captured answers stand behind this plan")


def test_progress_names_each_gate():
    from airflow_mlops.core.rollout.plan import Assumptions, plan

    spec = canary(ERRORS, {**ERRORS, "slice": "carrier=UA"})
    said = []
    plan(spec, seen(spec), Assumptions({}, runs=5), said.append)
    assert said == ["canary 0.3: error_rate", "canary 0.3: error_rate[carrier=UA]"]


@pytest.mark.parametrize(
    "seconds,text",
    [
        (0.4, "0 s"),
        (60, "60 s"),
        (90, "2 min"),
        (5400, "1.5 h"),
        (36000, "10 h"),
        (2e6, "23 d"),
        (None, "too long"),
    ],
)
def test_times_are_told_in_their_unit(seconds, text):
    assert duration(seconds) == text


def test_traffic_may_be_used_again():
    spec = canary(ERRORS)
    traffic = seen(spec)
    before = {name: column.copy() for name, column in traffic.requests.items()}
    planned(spec, replace(traffic))
    assert all(np.array_equal(traffic.requests[name], column) for name, column in before.items())
