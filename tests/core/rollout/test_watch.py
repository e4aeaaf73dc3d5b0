"""A stage that is followed portion by portion: the same word as from all at once, and constant memory."""

import random
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.judge import decide, open_watch
from airflow_mlops.core.rollout.verdict import Verdict
from airflow_mlops.spec import Rollout
from tests.core.rollout.chance import most
from tests.core.rollout.traffic import NOW, START, WEIGHT, ask, canary, capture, rollout, shadowed, truth

ERRORS = Gate(metric="error_rate", margin=0.02)
SLOW = Gate(metric="latency", threshold=50, margin=0.05)
BRIER = Gate(metric="brier", margin=0.02)
SHIFT = Gate(metric="score_shift", max=0.2)


def watch(stage, spec: Rollout, weight=WEIGHT):
    return open_watch(stage, spec, "binary", 1, 2, START, weight=weight)


def word(seen, spec: Rollout, now=NOW) -> Verdict:
    return decide(seen, spec, now - START)


def fed(stage, spec, captures, labels=(), *, portions=40, now=NOW, weight=WEIGHT) -> Verdict:
    """The word after as many portions, each as it would come: what was captured since the last look."""
    seen = watch(stage, spec, weight)
    captures, labels = list(captures), list(labels)
    for part in range(portions):
        seen.feed(captures[part::portions], labels[part::portions], now.timestamp())
    return word(seen, spec, now)


def messy(records, seed=0):
    """The same with duplicates, strangers, answers without numbers and times that go back."""
    rng = random.Random(seed)
    extra = [
        *(one.model_copy(update={"event_id": f"again-{one.event_id}"}) for one in records[:300:7]),
        *(capture(number, 2, variant="v9") for number in range(20)),
        *(capture(6000 + number, 1, predictions=(float("nan"),)) for number in range(15)),
        *(capture(number, 1, at=START - timedelta(hours=1), event_id=f"old-{number}") for number in range(9)),
        *records[:100],
    ]
    mixed = [*records, *extra]
    rng.shuffle(mixed)
    return mixed


def losses(requests, seed=1, worse=0.0):
    rng = np.random.default_rng(seed)
    records, labels = [], []
    for number in range(requests):
        label = float(rng.random() < 0.5)
        live, shadow = np.clip(0.5 + 0.3 * (label - 0.5) + rng.normal(0, 0.1, 2), 0, 1)
        shadow += worse * (1 - label - shadow)
        records += shadowed(number, {"predictions": (float(live),)}, {"predictions": (float(shadow),)})
        labels.append(truth(number, label, after=number + 100.0))
    return records, labels


# ---- portions


@pytest.mark.parametrize("worse", [0.0, 0.5])
@pytest.mark.parametrize("portions", [5, 50])
def test_pairs_in_portions_are_the_pairs_of_all_at_once(worse, portions):
    records, labels = losses(1200, worse=worse)
    spec = rollout(ERRORS, SLOW, BRIER)
    whole = ask("shadow", spec, records, labels)
    parts = fed("shadow", spec, records, labels, portions=portions)
    assert (parts.decision, parts.counts) == (whole.decision, whole.counts)
    for part, one in zip(parts.gates, whole.gates, strict=True):
        assert (part.outcome, part.samples) == (one.outcome, one.samples)
        assert part.value == pytest.approx(one.value)
        assert part.interval == pytest.approx(one.interval, abs=1e-5)
        assert part.design_effect == pytest.approx(one.design_effect, abs=2e-3)


def test_rows_without_labels_in_portions():
    records, _ = losses(800)
    spec = rollout(ERRORS).model_copy(update={"canary": None})
    spec = spec.model_copy(update={"shadow": spec.shadow.model_copy(update={"gates": (SHIFT,)})})
    whole = ask("shadow", spec, records)
    parts = fed("shadow", spec, records)
    assert (parts.decision, parts.counts) == (whole.decision, whole.counts)
    assert parts.gates[0].interval == pytest.approx(whole.gates[0].interval, abs=1e-5)


@pytest.mark.parametrize("errors,decision", [(0.01, "PROMOTE"), (0.2, "ROLLBACK")])
@pytest.mark.parametrize("portions", [5, 50])
def test_canary_in_portions_comes_to_the_same_decision(errors, decision, portions):
    # the level follows another order of requests, so the evidence differs a little
    records = canary(5000, champion_errors=0.01, challenger_errors=errors)
    spec = rollout(ERRORS, SLOW)
    whole = ask("canary", spec, records)
    parts = fed("canary", spec, records, portions=portions)
    assert parts.decision == whole.decision == decision
    assert parts.counts == whole.counts
    for part, one in zip(parts.gates, whole.gates, strict=True):
        assert (part.outcome, part.samples) == (one.outcome, one.samples)
        assert part.interval == pytest.approx(one.interval, abs=0.01)


def test_labelled_canary_in_portions():
    rng = np.random.default_rng(2)
    records = canary(4000)
    labels = [truth(number, float(rng.random() < 0.5), after=number + 60.0) for number in range(len(records))]
    spec = rollout(BRIER)
    whole = ask("canary", spec, records, labels)
    parts = fed("canary", spec, records, labels)
    assert (parts.decision, parts.counts) == (whole.decision, whole.counts)
    assert parts.counts["labelled"] == 4000


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_what_is_set_aside_is_counted_once_in_any_portions(stage):
    records = losses(400)[0] if stage == "shadow" else canary(2000)
    mixed = messy(records)
    spec = rollout(ERRORS, SLOW)
    whole = ask(stage, spec, mixed)
    parts = fed(stage, spec, mixed)
    assert parts.counts == whole.counts
    for reason in (
        "duplicate_event_id",
        "duplicate_inference_id",
        "unknown_variant",
        "before_start",
        "invalid_predictions",
    ):
        assert whole.counts[reason] > 0
    assert parts.decision == whole.decision


def test_labels_may_come_long_before_or_after_their_answers():
    records, labels = losses(1000)
    spec = rollout(BRIER)
    whole = ask("shadow", spec, records, labels)
    for first, second in (((records, ()), ((), labels)), (((), labels), (records, ()))):
        seen = watch("shadow", spec)
        seen.feed(*first, NOW.timestamp())
        assert word(seen, spec).decision == "CONTINUE"
        seen.feed(*second, NOW.timestamp())
        assert word(seen, spec).gates[0].interval == pytest.approx(whole.gates[0].interval, abs=1e-5)


def test_nothing_new_changes_nothing():
    records = canary(3000)
    spec = rollout(ERRORS, SLOW)
    seen = watch("canary", spec)
    seen.feed(records, (), NOW.timestamp())
    before = word(seen, spec)
    for _ in range(3):
        seen.feed([], [], NOW.timestamp())
    assert word(seen, spec) == before


def test_the_same_records_again_are_only_counted():
    records, labels = losses(600)
    spec = rollout(ERRORS, BRIER)
    seen = watch("shadow", spec)
    seen.feed(records, labels, NOW.timestamp())
    before = word(seen, spec)
    seen.feed(records, labels, NOW.timestamp())
    after = word(seen, spec)
    assert after.gates == before.gates
    assert after.counts["duplicate_event_id"] == 1200
    assert after.counts["labels_corrected"] == 600


def test_answers_of_the_future_wait_for_their_time():
    records = canary(3000)
    spec = rollout(ERRORS)
    seen = watch("canary", spec)
    for minute in range(0, 120, 5):
        seen.feed(records if minute == 0 else [], (), (START + timedelta(minutes=minute)).timestamp())
    seen.feed([], (), NOW.timestamp())
    verdict = word(seen, spec)
    assert verdict.decision == "PROMOTE"
    assert verdict.counts["captures"] == 3000
    assert "after_now" not in verdict.counts


# ---- files that come late


def test_one_side_that_comes_later_is_no_mismatch_and_no_evidence():
    # twenty requests a second; the champion's files come at once, the challenger's ten seconds later
    records = [
        one.model_copy(update={"at": START + timedelta(seconds=number / 20)})
        for number, one in enumerate(canary(4000, champion_errors=0.01, challenger_errors=0.01))
    ]
    spec = rollout(ERRORS)
    seen = watch("canary", spec)
    for end in range(200, 4201, 200):
        part = [one for one in records[end - 200 : end] if one.variant == "v1"]
        part += [one for one in records[max(0, end - 400) : end - 200] if one.variant == "v2"]
        seen.feed(part, (), (START + timedelta(seconds=end / 20)).timestamp())
        assert not seen.mismatch
    seen.feed([], (), NOW.timestamp())
    verdict = word(seen, spec)
    assert verdict.decision == "PROMOTE"
    assert verdict.gates[0].samples == verdict.counts["challenger"]


def test_side_that_never_comes_is_a_mismatch():
    records = [one for one in canary(2000) if one.variant == "v1"]
    spec = rollout(ERRORS)
    seen = watch("canary", spec)
    seen.feed(records, (), NOW.timestamp())
    assert seen.mismatch
    assert word(seen, spec).decision == "INCONCLUSIVE"


# ---- looks


@pytest.mark.parametrize("stage", ["shadow", "canary"])
def test_errors_hold_for_all_looks_together(stage):
    # two equal models and no margin: the worst case for stopping the challenger as well as for promoting it
    runs, spec = 40, rollout(Gate(metric="error_rate", margin=0.0))
    stopped = promoted = 0
    for seed in range(runs):
        seen, looks = watch(stage, spec), []
        records = canary(900, champion_errors=0.05, challenger_errors=0.05, seed=seed)
        if stage == "shadow":
            rng = np.random.default_rng(seed)
            fails = [[{"status": 500} if bad else {} for bad in rng.random(2) < 0.05] for _ in range(450)]
            records = [
                one for number, pair in enumerate(fails) for one in shadowed(seed * 1000 + number, *pair)
            ]
        for part in range(0, 900, 100):
            seen.feed(records[part : part + 100], (), NOW.timestamp())
            looks.append(word(seen, spec).decision)
        stopped += "ROLLBACK" in looks
        promoted += "PROMOTE" in looks
    assert stopped <= most(0.05, runs)
    assert promoted <= most(0.05, runs)


# ---- memory and trace


def test_only_what_waits_for_a_partner_is_kept():
    spec = rollout(ERRORS, BRIER)
    seen = watch("shadow", spec)
    records, labels = losses(1000)
    seen.feed(records, labels[:900], NOW.timestamp())
    assert seen._pairs.waiting == seen._row_pairs.waiting == (0, 0)
    assert seen._labels._pairing.waiting == (100, 0)
    seen.feed([], labels[900:], NOW.timestamp())
    assert seen._labels._pairing.waiting == (0, 0)


def test_trace_shows_how_the_evidence_grew():
    records, labels = losses(1500)
    seen = watch("shadow", rollout(ERRORS, BRIER))
    seen.feed(records, labels, NOW.timestamp())
    trace = seen.trace
    assert trace.limits == (("error_rate", 0.02), ("brier", 0.02))
    elapsed = [point.elapsed for point in trace.points]
    assert elapsed == sorted(elapsed)
    assert 10 < len(elapsed) < 60
    assert elapsed[-1] == pytest.approx(1599.0)
    samples = [point.samples[1] for point in trace.points]
    assert samples == sorted(samples)
    assert samples[-1] == 1500
    assert trace.points[-1].outcomes == ("pass", "pass")
    widths = [
        high - low for low, high in (point.intervals[0] for point in trace.points if point.intervals[0])
    ]
    assert widths[-1] < widths[0]


def test_trace_stays_small_however_often_one_looks():
    seen = watch("canary", rollout(ERRORS))
    records = canary(2000)
    for start in range(0, 2000, 10):
        seen.feed(records[start : start + 10], (), (START + timedelta(seconds=start + 10)).timestamp())
    assert len(seen.trace.points) <= 128
    assert seen.trace.points[-1].elapsed > 1900


def test_trace_keeps_the_first_and_the_last_point():
    seen = watch("canary", rollout(ERRORS))
    for number in range(1000):
        seen.trace.add(float(number), seen.results())
    elapsed = [point.elapsed for point in seen.trace.points]
    assert (elapsed[0], elapsed[-1]) == (0.0, 999.0)
    assert elapsed == sorted(elapsed)
