"""Each metric and each rule of a step, through the judge."""

from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.spec import Rollout, Shadow
from tests.core.rollout.traffic import NOW, START, ask, canary, capture, rollout, shadowed, truth

ERRORS = Gate(metric="error_rate", margin=0.02)


def shadow_only(*gates: Gate) -> Rollout:
    """Gates that need both answers to one request."""
    return Rollout(shadow=Shadow(gates=gates, min_samples=100, max_duration=timedelta(days=1)))


def deciding(requests=2500, *, flips=0.0, errors=0.1, seed=0):
    """Both decide right in all but a tenth of the requests, but in ``flips`` of them the challenger the other way."""
    rng = np.random.default_rng(seed)
    records, labels = [], []
    for number in range(requests):
        label = float(rng.random() < 0.5)
        right = rng.random() >= errors
        mine = right != (rng.random() < flips)
        guesses = [0.8 if label == good else 0.2 for good in (right, mine)]
        records += shadowed(number, {"predictions": (guesses[0],)}, {"predictions": (guesses[1],)})
        labels.append(truth(number, label))
    return records, labels


# ---- accuracy


@pytest.mark.parametrize("flips,decision", [(0.0, "PROMOTE"), (0.2, "ROLLBACK")])
def test_accuracy_against_the_champion(flips, decision):
    verdict = ask("shadow", rollout(Gate(metric="accuracy", margin=0.05)), *deciding(flips=flips))
    gate = verdict.gates[0]
    assert verdict.decision == decision
    assert gate.champion == pytest.approx(0.9, abs=0.02)
    assert gate.value == pytest.approx(0.9 - 0.8 * flips, abs=0.03)
    # how much worse it is, so above 0 where its accuracy is lower
    assert (gate.interval[0] > 0.05) if flips else (gate.interval[1] < 0.05)


@pytest.mark.parametrize("limit,decision", [(0.85, "PROMOTE"), (0.95, "ROLLBACK")])
def test_least_accuracy(limit, decision):
    verdict = ask("shadow", rollout(Gate(metric="accuracy", min=limit)), *deciding())
    gate = verdict.gates[0]
    assert verdict.decision == decision
    assert gate.interval[0] < gate.value < gate.interval[1]
    assert gate.value == pytest.approx(0.9, abs=0.02)
    # the bound that was held against the limit is on the limit's far side
    assert (gate.bound >= limit) if decision == "PROMOTE" else (gate.bound <= limit)
    assert f"{limit:g} is asked for" in gate.reason


def test_accuracy_in_canary():
    rng = np.random.default_rng(1)
    records, labels = [], []
    for number, record in enumerate(canary(4000)):
        label = float(rng.random() < 0.5)
        wrong = rng.random() < (0.3 if record.variant == "v2" else 0.1)
        records.append(record.model_copy(update={"predictions": (abs(label - (0.7 if wrong else 0.2)),)}))
        labels.append(truth(number, label))
    verdict = ask("canary", rollout(Gate(metric="accuracy", margin=0.05)), records, labels)
    assert verdict.decision == "ROLLBACK"
    assert verdict.gates[0].value == pytest.approx(0.7, abs=0.04)


# ---- what the two answers have to do with each other


@pytest.mark.parametrize("flips,decision", [(0.02, "PROMOTE"), (0.2, "ROLLBACK")])
def test_disagreement_needs_no_labels(flips, decision):
    records, _ = deciding(flips=flips)
    verdict = ask("shadow", shadow_only(Gate(metric="disagreement", max=0.1)), records)
    assert verdict.decision == decision
    assert verdict.gates[0].value == pytest.approx(flips, abs=0.03)
    assert verdict.gates[0].champion is None


def test_disagreement_is_about_rows():
    rows = ({"x": 1}, {"x": 2}, {"x": 3}, {"x": 4})
    records = [
        record
        for number in range(500)
        for record in shadowed(
            number,
            {"rows": rows, "predictions": (0.1, 0.9, 0.4, 0.6)},
            {"rows": rows, "predictions": (0.2, 0.8, 0.6, 0.7)},
        )
    ]
    gate = ask("shadow", shadow_only(Gate(metric="disagreement", max=0.9)), records).gates[0]
    assert gate.value == 0.25
    assert gate.samples == 2000


@pytest.mark.parametrize("limit,decision", [(0.2, "PROMOTE"), (0.05, "ROLLBACK")])
def test_score_shift_of_a_binary_model(limit, decision):
    rng = np.random.default_rng(2)
    records = []
    for number, (mine, theirs) in enumerate(rng.uniform(0.3, 0.7, (1500, 2)).tolist()):
        records += shadowed(number, {"predictions": (theirs,)}, {"predictions": (mine,)})
    verdict = ask("shadow", shadow_only(Gate(metric="score_shift", max=limit)), records)
    assert verdict.decision == decision
    # the mean distance of two uniform numbers is a third of the range
    assert verdict.gates[0].value == pytest.approx(0.4 / 3, abs=0.01)


def test_score_shift_of_a_regression_is_in_its_unit_and_capped():
    records = [
        record
        for number in range(900)
        for record in shadowed(
            number, {"predictions": (100.0,)}, {"predictions": (103.0 if number % 3 else 900.0,)}
        )
    ]
    gate = Gate(metric="score_shift", max=15, threshold=30)
    verdict = ask("shadow", shadow_only(gate), records, objective="regression")
    assert verdict.gates[0].value == pytest.approx((2 * 3 + 30) / 3, abs=0.05)
    assert verdict.gates[0].limit == 15
    assert verdict.decision == "PROMOTE"


def test_answer_that_only_one_gives_is_the_largest_change():
    records = [record for number in range(600) for record in shadowed(number, shadow={"status": 500})]
    for metric in ("disagreement", "score_shift"):
        verdict = ask("shadow", shadow_only(Gate(metric=metric, max=0.3)), records)
        assert verdict.decision == "ROLLBACK"
        assert verdict.gates[0].value == 1.0


# ---- latency


def timed(requests=8000, slower=1.0, seed=3):
    rng = np.random.default_rng(seed)
    return [
        record.model_copy(
            update={"latency_ms": float(rng.lognormal(3, 0.5)) * (slower if record.variant == "v2" else 1)}
        )
        for record in canary(requests, seed=seed)
    ]


@pytest.mark.parametrize("slower,decision", [(1.0, "PROMOTE"), (2.0, "ROLLBACK")])
def test_latency_quantile_against_the_champion(slower, decision):
    gate = Gate(metric="latency_quantile", margin=12, quantile=0.95)
    verdict = ask("canary", rollout(gate), timed(slower=slower), now=NOW + timedelta(hours=1))
    found = verdict.gates[0]
    assert verdict.decision == decision
    assert found.limit == 12
    # in milliseconds, the 95 % quantile of the lognormal
    assert found.champion == pytest.approx(np.exp(3 + 1.645 * 0.5), rel=0.1)
    assert found.value == pytest.approx(slower * found.champion, rel=0.15)
    assert "p95" in found.reason
    # the interval is of the share of requests beyond that level
    assert -1 <= found.interval[0] < found.interval[1] <= 1


@pytest.mark.parametrize("limit,decision", [(120, "PROMOTE"), (30, "ROLLBACK")])
def test_latency_quantile_in_milliseconds(limit, decision):
    gate = Gate(metric="latency_quantile", max=limit, quantile=0.95)
    verdict = ask("canary", rollout(gate), timed(3000))
    assert verdict.decision == decision
    assert f"beyond {limit} ms" in verdict.gates[0].reason


def test_missing_latencies_are_counted_and_left_out():
    records = [
        record.model_copy(update={"latency_ms": float("nan")}) if number % 2 else record
        for number, record in enumerate(timed(6000))
    ]
    gate = Gate(metric="latency_quantile", margin=20, quantile=0.9)
    verdict = ask("canary", rollout(gate), records)
    assert verdict.decision == "PROMOTE"
    missing = verdict.counts["challenger_missing_latency"] + verdict.counts["champion_missing_latency"]
    assert missing == 3000
    assert (
        verdict.gates[0].samples
        <= verdict.counts["challenger"] - verdict.counts["challenger_missing_latency"]
    )


# ---- steps of a canary


def judge_step(spec: Rollout, records, minutes: float, weight=0.3) -> Verdict:
    """The word on a step that began when the traffic did."""
    return ask("canary", spec, records, weight=weight, now=START + timedelta(minutes=minutes))


def test_gates_of_a_step_hold_at_its_share_alone():
    slow = Gate(metric="latency", threshold=50, margin=0.05)
    steps = (0.1, {"weight": 0.3, "gates": [slow]})
    records = canary(3000, latency_ms=80.0)
    verdict = ask("canary", rollout(ERRORS, steps=steps), records)
    assert [gate.gate.metric for gate in verdict.gates] == ["error_rate", "latency"]
    assert verdict.decision == "ROLLBACK"
    records = canary(8000, weight=0.1, latency_ms=80.0)
    verdict = ask("canary", rollout(ERRORS, steps=steps), records, weight=0.1, now=START + timedelta(hours=3))
    assert [gate.gate.metric for gate in verdict.gates] == ["error_rate"]
    assert verdict.decision == "PROMOTE"


def test_step_lasts_at_least_its_dwell_time():
    steps = ({"weight": 0.3, "dwell": "90m"},)
    records = canary(4000)
    early = judge_step(rollout(ERRORS, steps=steps), records, 70)
    assert early.decision == "CONTINUE"
    assert {gate.outcome for gate in early.gates} == {"pass"}
    assert "4200 s of at least 5400 s at this share" in early.reason
    assert judge_step(rollout(ERRORS, steps=steps), records, 90).decision == "PROMOTE"


def test_time_that_was_paused_does_not_count_for_the_dwell_time():
    steps = ({"weight": 0.3, "dwell": "90m"},)
    at = {"now": START + timedelta(minutes=100), "paused": timedelta(minutes=30)}
    assert ask("canary", rollout(ERRORS, steps=steps), canary(4000), **at).decision == "CONTINUE"


def test_bad_challenger_does_not_stay_for_the_dwell_time():
    steps = ({"weight": 0.3, "dwell": "90m"},)
    records = canary(2000, challenger_errors=0.3)
    assert judge_step(rollout(ERRORS, steps=steps), records, 40).decision == "ROLLBACK"


# ---- share of the traffic


@pytest.mark.parametrize("real", [0.1, 0.5])
def test_share_that_is_not_the_weight_decides_nothing(real):
    verdict = ask("canary", rollout(ERRORS), canary(4000, weight=real), weight=0.3)
    assert verdict.decision == "INCONCLUSIVE"
    assert verdict.reason.startswith("sample-ratio mismatch: the challenger got ")
    assert "30.0%" in verdict.reason
    # but a failure is a failure
    bad = canary(4000, weight=real, challenger_errors=0.5)
    assert ask("canary", rollout(ERRORS), bad, weight=0.3).decision == "ROLLBACK"


def test_share_is_not_checked_in_shadow_nor_where_it_is_not_known():
    records = [record for number in range(1500) for record in shadowed(number)]
    assert ask("shadow", rollout(ERRORS), records, weight=0.3).decision == "PROMOTE"
    assert ask("canary", rollout(ERRORS), canary(4000, weight=0.1), weight=0.0).decision == "PROMOTE"


def test_requests_that_the_hash_did_not_assign_do_not_change_the_share():
    records = canary(3000)
    more = [capture(number, 2, chosen="target") for number in range(10_000, 13_000)]
    verdict = ask("canary", rollout(ERRORS), records + more, now=START + timedelta(hours=4))
    assert verdict.decision == "PROMOTE"
    assert verdict.counts["not_assigned"] == 3000


# ---- few callers


def test_few_callers_never_pass_and_the_reason_says_so():
    spec = rollout(ERRORS)
    records = [
        record.model_copy(update={"key": f"{number % 10:016x}"})
        for number in range(2000)
        for record in shadowed(number)
    ]
    verdict = ask("shadow", spec, records)
    assert verdict.decision == "CONTINUE"
    assert "of no more than 10 keys, and 30 are needed to pass" in verdict.reason


def test_dependent_requests_are_told():
    rng = np.random.default_rng(5)
    bad = rng.random(100) < 0.1
    records = [
        record
        for number in range(1500)
        for record in shadowed(
            number,
            {"key": f"{number % 100:016x}"},
            {"key": f"{number % 100:016x}", **({"status": 500} if bad[number % 100] else {})},
        )
    ]
    gate = ask("shadow", rollout(Gate(metric="error_rate", margin=0.1)), records).gates[0]
    assert gate.design_effect > 5
    assert "requests depend on each other" in gate.reason


def test_a_request_that_both_variants_answered_in_canary_counts_once():
    records = canary(3000)
    retries = [
        capture(number, 3 - int(one.variant[1:]), event_id=f"retry-{number}", after=number + 0.5)
        for number, one in enumerate(records[:400])
    ]
    labels = [truth(number, float(number % 2)) for number in range(3000)]
    once = ask("canary", rollout(Gate(metric="brier", margin=0.1)), records, labels)
    twice = ask("canary", rollout(Gate(metric="brier", margin=0.1)), [*records, *retries], labels)
    assert twice.counts["duplicate_inference_id"] == 400
    assert twice.counts["labelled"] == once.counts["labelled"] == 3000
    assert twice.gates == once.gates
