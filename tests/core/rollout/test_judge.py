import math
import random
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.gates import Gate
from tests.core.rollout.traffic import NOW, START, ask, canary, capture, rollout, shadowed, truth

ERRORS = Gate(metric="error_rate", margin=0.02)
SLOW = Gate(metric="latency", threshold=50, margin=0.05)
BRIER = Gate(metric="brier", margin=0.02)
LATE = NOW + timedelta(days=2)


def shadow_traffic(pairs, *, noise=0.1, worse=0.0, seed=0):
    """Paired answers with labels: the challenger's predictions are pulled towards the wrong side by ``worse``."""
    rng = np.random.default_rng(seed)
    records, labels = [], []
    for number in range(pairs):
        chance = rng.random()
        label = float(rng.random() < chance)
        live, shadow = np.clip(chance + rng.normal(0, noise, 2), 0, 1)
        shadow += worse * ((1 - label) - shadow)
        records += shadowed(number, {"predictions": (float(live),)}, {"predictions": (float(shadow),)})
        labels.append(truth(number, label))
    return records, labels


# ---- decisions


def test_good_shadow_is_promoted():
    records, labels = shadow_traffic(1500)
    verdict = ask("shadow", rollout(ERRORS, SLOW, BRIER), records, labels)
    assert verdict.decision == "PROMOTE"
    assert [gate.outcome for gate in verdict.gates] == ["pass"] * 3
    assert all(gate.bound <= gate.limit for gate in verdict.gates)
    assert verdict.counts["pairs"] == verdict.counts["samples"] == 1500
    assert verdict.needed is None
    assert verdict.reason.startswith("all gates passed with 1500 samples")


def test_bad_losses_are_rolled_back_in_shadow_before_the_least_sample():
    records, labels = shadow_traffic(400, worse=0.5)
    verdict = ask("shadow", rollout(ERRORS, BRIER, min_samples=5000), records, labels)
    assert verdict.decision == "ROLLBACK"
    failed = verdict.gates[1]
    assert failed.outcome == "fail"
    assert failed.value > failed.champion + 0.02
    assert failed.bound >= failed.limit == 0.02
    assert verdict.reason == failed.reason
    for word in (
        "brier",
        f"{failed.value:.4g}",
        f"{failed.champion:.4g}",
        f"{failed.bound:.4g}",
        "0.02",
        "400",
    ):
        assert word in verdict.reason


def test_canary_with_more_errors_is_rolled_back():
    verdict = ask("canary", rollout(ERRORS), canary(2000, champion_errors=0.01, challenger_errors=0.15))
    assert verdict.decision == "ROLLBACK"
    assert "error_rate" in verdict.reason


def test_equal_canary_is_promoted():
    records = canary(5000, champion_errors=0.01, challenger_errors=0.01)
    verdict = ask("canary", rollout(ERRORS, SLOW), records)
    assert verdict.decision == "PROMOTE"
    assert verdict.counts["samples"] == verdict.counts["challenger"]


def test_slow_canary_is_rolled_back():
    verdict = ask("canary", rollout(ERRORS, SLOW), canary(600, latency_ms=80.0))
    assert verdict.decision == "ROLLBACK"
    assert "latency (share over 50 ms) is 1" in verdict.reason


def test_failing_fast_is_not_fast():
    verdict = ask("canary", rollout(SLOW), canary(600, challenger_errors=1.0))
    assert verdict.decision == "ROLLBACK"


def test_common_trouble_is_not_the_challengers_fault():
    # an outage of both and a slow phase of both
    outage, slow = {"status": 500, "predictions": None}, {"latency_ms": 90.0}
    records = [
        record.model_copy(update=outage if 1000 <= i < 1080 else slow if 2000 <= i < 2080 else {})
        for i, record in enumerate(canary(7000, seed=1))
    ]
    verdict = ask("canary", rollout(ERRORS, SLOW), records)
    assert verdict.decision == "PROMOTE"
    assert verdict.gates[0].champion > 0.01


@pytest.mark.parametrize("errors,decision", [(0.005, "PROMOTE"), (0.2, "ROLLBACK")])
@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_absolute_limit_needs_no_champion(stage, errors, decision):
    rng = np.random.default_rng(3)
    records = []
    for number in range(1500):
        bad = {"status": 500} if rng.random() < errors else {}
        if stage == "shadow":
            records += shadowed(number, {"status": 500}, bad)
        else:
            records.append(capture(number, 2, **bad))
    verdict = ask(stage, rollout(Gate(metric="error_rate", max=0.05)), records, weight=0.0)
    assert verdict.decision == decision
    assert verdict.gates[0].limit == 0.05
    assert verdict.gates[0].samples == 1500


def test_regression_losses_are_judged_in_the_labels_unit():
    rng = np.random.default_rng(4)
    records, labels = [], []
    for number in range(600):
        label = float(rng.normal(20, 5))
        records += shadowed(number, {"predictions": (label + 1,)}, {"predictions": (label + 7,)})
        labels.append(truth(number, label))
    gate = Gate(metric="mae", margin=2, threshold=30)
    verdict = ask("shadow", rollout(gate), records, labels, objective="regression")
    assert verdict.decision == "ROLLBACK"
    assert verdict.gates[0].value == pytest.approx(7.0)
    assert verdict.gates[0].champion == pytest.approx(1.0)
    assert 2.0 <= verdict.gates[0].bound < 6.0


def test_one_failed_gate_outweighs_the_passed_ones():
    records = [record for n in range(2000) for record in shadowed(n, shadow={"latency_ms": 90.0})]
    verdict = ask("shadow", rollout(ERRORS, SLOW), records)
    assert [gate.outcome for gate in verdict.gates] == ["pass", "fail"]
    assert verdict.decision == "ROLLBACK"


# ---- closed without evidence


@pytest.mark.parametrize("stage", ["shadow", "canary"])
@pytest.mark.parametrize("now,decision", [(NOW, "CONTINUE"), (LATE, "INCONCLUSIVE")])
def test_no_data_never_promotes(stage, now, decision):
    verdict = ask(stage, rollout(ERRORS, SLOW, BRIER), [], now=now)
    assert verdict.decision == decision
    assert all(gate.outcome == "inconclusive" and gate.samples == 0 for gate in verdict.gates)
    assert "no observation" in verdict.reason


def test_only_one_variant_answers():
    for version in (1, 2):
        records = [capture(number, version) for number in range(3000)]
        verdict = ask("canary", rollout(ERRORS, SLOW), records, now=LATE)
        assert verdict.decision == "INCONCLUSIVE"


def test_least_sample_is_waited_for():
    records, labels = shadow_traffic(1500)
    verdict = ask("shadow", rollout(ERRORS, SLOW, BRIER, min_samples=2000), records, labels)
    assert {gate.outcome for gate in verdict.gates} == {"pass"}
    assert verdict.decision == "CONTINUE"
    assert verdict.needed == 500
    assert "1500 of at least 2000 samples" in verdict.reason


def test_all_labels_missing():
    records, _ = shadow_traffic(1500)
    verdict = ask("shadow", rollout(ERRORS, BRIER), records)
    assert [gate.outcome for gate in verdict.gates] == ["pass", "inconclusive"]
    assert verdict.decision == "CONTINUE"


@pytest.mark.parametrize(
    "broken,reason",
    [
        ({"predictions": (math.nan,)}, "invalid_predictions"),
        ({"predictions": (math.inf,)}, "invalid_predictions"),
        ({"predictions": (1.5,)}, "invalid_predictions"),
        ({"predictions": (0.5, 0.5)}, "invalid_predictions"),
        ({"predictions": None}, "challenger_failed"),
        ({"status": 500}, "challenger_failed"),
        ({"variant": "v9"}, "unknown_variant"),
        ({"role": "fallback"}, "other_role"),
        ({"inference_id": "always the same"}, "duplicate_inference_id"),
        ({"event_id": "always the same"}, "duplicate_event_id"),
        ({"at": START - timedelta(days=1)}, "before_start"),
        ({"at": NOW + timedelta(days=1)}, "after_now"),
        ({"status": 400}, "challenger_client_errors"),
        ({"latency_ms": math.nan}, "challenger_missing_latency"),
        ({"latency_ms": -5.0}, "challenger_missing_latency"),
        ({"chosen": "failover"}, "not_assigned"),
    ],
)
@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_challenger_with_broken_records_is_never_promoted(stage, broken, reason):
    if stage == "shadow":
        records = [record for n in range(1000) for record in shadowed(n, shadow=broken)]
    else:
        records = canary(3000, **broken)
    labels = [truth(number, 1) for number in range(3000)]
    verdict = ask(stage, rollout(ERRORS, SLOW, BRIER), records, labels)
    # where the challenger's answers are not there at all, its share of the traffic is not what it should be
    assert verdict.decision != "PROMOTE"
    assert verdict.counts[reason] > 700


def test_refusing_what_the_champion_takes_is_an_error_in_shadow():
    records = [record for n in range(300) for record in shadowed(n, shadow={"status": 400})]
    assert ask("shadow", rollout(ERRORS), records).decision == "ROLLBACK"


def test_requests_that_both_refuse_are_the_callers_fault():
    bad = {"status": 400}
    records = [record for n in range(1500) for record in shadowed(n, bad, bad)]
    verdict = ask("shadow", rollout(ERRORS), records)
    assert verdict.decision == "CONTINUE"
    assert verdict.counts["challenger_client_errors"] == 1500
    assert verdict.counts["samples"] == 0


def test_duration_over_does_not_promote_what_is_undecided():
    verdict = ask("canary", rollout(ERRORS), canary(200), now=LATE)
    assert verdict.decision == "INCONCLUSIVE"
    assert verdict.needed is None
    assert verdict.reason.startswith("the longest duration is over")


def test_duration_over_still_promotes_what_is_decided():
    assert ask("canary", rollout(ERRORS), canary(4000), now=LATE).decision == "PROMOTE"


def test_undecided_says_how_many_more_and_that_many_decide():
    early = ask("canary", rollout(ERRORS), canary(450))
    assert early.decision == "CONTINUE"
    assert early.needed > 0
    total = early.counts["challenger"] + early.needed
    later = ask("canary", rollout(ERRORS), canary(int(total / 0.3 * 1.3)))
    assert later.decision == "PROMOTE"


# ---- what must not matter


def test_order_of_records_and_labels_and_exact_copies_do_not_matter():
    records, labels = shadow_traffic(500)
    verdict = ask("shadow", rollout(ERRORS, SLOW, BRIER), records, labels)
    random.Random(1).shuffle(records)
    random.Random(2).shuffle(labels)
    again = ask("shadow", rollout(ERRORS, SLOW, BRIER), records, labels)
    assert again == verdict
    doubled = ask("shadow", rollout(ERRORS, SLOW, BRIER), records + records[:200], labels + labels[:200])
    assert doubled.gates == verdict.gates
    assert doubled.counts["duplicate_event_id"] == 200


def test_order_does_not_matter_in_canary():
    records = canary(2000, champion_errors=0.02, challenger_errors=0.03)
    verdict = ask("canary", rollout(ERRORS, SLOW), records)
    random.Random(3).shuffle(records)
    assert ask("canary", rollout(ERRORS, SLOW), records) == verdict


def test_weight_may_be_unknown():
    records = canary(5000, champion_errors=0.01, challenger_errors=0.01)
    assert ask("canary", rollout(ERRORS), records, weight=0.0).decision == "PROMOTE"


# ---- arguments and record


def test_gate_that_cannot_be_judged_is_refused():
    with pytest.raises(SpecError, match="auc can't be judged on live traffic"):
        ask("canary", rollout(Gate(metric="auc", margin=0.1)), [])


@pytest.mark.parametrize("weight", [1.0, -0.1, math.nan, math.inf])
def test_weight_that_is_no_share_is_refused(weight):
    with pytest.raises(SpecError, match="weight of a challenger; given"):
        ask("canary", rollout(ERRORS), [], weight=weight)


def test_version_against_itself_is_refused():
    with pytest.raises(SpecError, match="against itself"):
        ask("canary", rollout(ERRORS), [], challenger=1)


def test_stage_that_the_spec_lacks_is_refused():
    spec = rollout(ERRORS).model_copy(update={"canary": None})
    with pytest.raises(SpecError, match="rollout has no canary stage"):
        ask("canary", spec, [])


def test_verdict_survives_its_json():
    records, labels = shadow_traffic(300)
    verdict = ask("shadow", rollout(ERRORS, SLOW, BRIER), records, labels)
    assert type(verdict).from_bytes(verdict.to_bytes()) == verdict


def test_iterators_are_enough():
    records, labels = shadow_traffic(200)
    whole = ask("shadow", rollout(ERRORS, BRIER), records, labels)
    assert ask("shadow", rollout(ERRORS, BRIER), iter(records), iter(labels)) == whole


anything = st.floats(allow_nan=True, allow_infinity=True)
garbage = st.builds(
    capture,
    st.integers(0, 5),
    st.sampled_from([1, 2, 3]),
    event_id=st.text(max_size=3),
    role=st.sampled_from(["champion", "challenger", "shadow", "fallback"]),
    at=st.datetimes() | st.just(START + timedelta(seconds=5)),
    latency_ms=anything,
    status=st.integers(-1, 2**65),
    key=st.text(max_size=20),
    predictions=st.none() | st.lists(anything, max_size=3).map(tuple),
    chosen=st.sampled_from(["split", "target", "failover", "shadow"]),
)
labels_of_garbage = st.builds(
    truth, st.integers(0, 6), anything, row=st.integers(-3, 2**65), at=st.datetimes() | st.just(START)
)


@settings(max_examples=60)
@given(
    stage=st.sampled_from(["shadow", "canary"]),
    records=st.lists(garbage, max_size=20),
    labels=st.lists(labels_of_garbage, max_size=10),
    weight=st.floats(0, 1, exclude_max=True),
)
def test_garbage_is_never_fatal_and_never_promotes(stage, records, labels, weight):
    verdict = ask(stage, rollout(ERRORS, SLOW, BRIER, min_samples=1), records, labels, weight=weight)
    assert verdict.decision != "PROMOTE"
    assert verdict.counts["captures"] == len(records)
    assert verdict.counts["labels"] == len(labels)
