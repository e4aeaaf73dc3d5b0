"""Slices: a model that is fine on average and bad for one value is caught, and a good one is not stopped."""

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.betting import Floats
from airflow_mlops.core.rollout.scales import scale_of
from airflow_mlops.core.rollout.slices import SliceWatch, columns_of, rows_in
from airflow_mlops.core.rollout.table import Table
from tests.core.rollout.chance import most
from tests.core.rollout.tables import answers, pairs, portions, split
from tests.core.rollout.traffic import ask, canary, capture, rollout, shadowed, truth

ALPHA = 0.05
ERRORS = Gate(metric="error_rate", margin=0.02)
NAMES = ("AA", "B6", "DL", "EV", "UA")
CODES = {"carrier": {name: number for number, name in enumerate(NAMES)}}


def watch(gate=ERRORS, most=5, *, paired=False, share=0.5) -> SliceWatch:
    return SliceWatch(gate, scale_of(gate, "binary"), ("carrier",), most, paired=paired, share=share)


def traffic(rng, requests, extra: Floats, *, paired=False, share=0.5) -> Table:
    """Requests of five carriers with 2 % errors; the challenger has ``extra`` errors by carrier."""
    carrier = rng.choice(5, size=requests, p=[0.35, 0.25, 0.2, 0.15, 0.05])
    mine = rng.random(requests) < share
    if paired:
        table = pairs(rng, rng.random(requests) < 0.02, rng.random(requests) < 0.02 + extra[carrier])
    else:
        table = answers(rng, rng.random(requests) < 0.02 + extra[carrier] * mine, mine)
    table["slice:carrier"] = carrier
    return table


# ---- one watch


@pytest.mark.parametrize("paired", [True, False])
def test_bad_slice_is_named_and_no_other(paired):
    rng = np.random.default_rng(1)
    seen = watch(paired=paired)
    seen.fold(traffic(rng, 8000, np.array([0, 0, 0, 0, 0.4]), paired=paired))
    found = seen.judge(ALPHA / 5, CODES)
    assert [one.gate.slice for one in found] == ["carrier=UA"]
    assert found[0].outcome == "fail"
    assert found[0].value > found[0].champion + 0.2
    assert "error_rate[carrier=UA]" in found[0].reason


def test_several_bad_slices_are_named_worst_first():
    rng = np.random.default_rng(2)
    seen = watch()
    seen.fold(traffic(rng, 10_000, np.array([0.3, 0, 0, 0, 0.9])))
    found = seen.judge(ALPHA / 5, CODES)
    assert {one.gate.slice for one in found} == {"carrier=AA", "carrier=UA"}
    assert all(one.outcome == "fail" for one in found)


def test_without_a_bad_slice_the_nearest_is_shown():
    rng = np.random.default_rng(3)
    seen = watch()
    seen.fold(traffic(rng, 3000, np.array([0, 0, 0.03, 0, 0])))
    found = seen.judge(ALPHA / 5, CODES)
    assert len(found) == 1
    assert found[0].outcome != "fail"


@pytest.mark.parametrize("paired", [True, False])
def test_no_slice_is_flagged_more_often_than_promised_without_a_change(paired):
    # every slice exactly at its limit
    runs = 120
    gate = Gate(metric="error_rate", margin=0.0)
    rng = np.random.default_rng(4)
    flagged = 0
    for _ in range(runs):
        seen = watch(gate, paired=paired, share=0.3)
        table = traffic(rng, 3000, np.zeros(5), paired=paired, share=0.3)
        for part in portions(table, 5):
            seen.fold(part)
            if any(one.outcome == "fail" for one in seen.judge(ALPHA / 5, CODES)):
                flagged += 1
                break
    assert flagged <= most(ALPHA, runs)


def test_values_beyond_the_most_are_not_watched():
    rng = np.random.default_rng(5)
    bad = np.array([0, 0, 0, 0, 0.9])
    for limit, caught in ((4, False), (5, True)):
        seen = watch(most=limit)
        seen.fold(traffic(rng, 4000, bad))
        assert any(one.outcome == "fail" for one in seen.judge(ALPHA / 5, CODES)) is caught


def test_missing_value_is_no_slice():
    rng = np.random.default_rng(6)
    seen = watch()
    table = traffic(rng, 100, np.zeros(5))
    table["slice:carrier"] = np.full(100, -1)
    seen.fold(table)
    assert seen.judge(ALPHA, CODES) == ()


def test_portions_make_no_difference():
    rng = np.random.default_rng(7)
    table = traffic(rng, 4000, np.array([0, 0, 0, 0, 0.4]), paired=True)
    whole, parts = watch(paired=True), watch(paired=True)
    whole.fold(table)
    for part in split(4000, 100):
        parts.fold(table.take(part))
    one, other = whole.judge(ALPHA / 5, CODES), parts.judge(ALPHA / 5, CODES)
    assert [each.gate for each in one] == [each.gate for each in other]
    assert one[0].bound == pytest.approx(other[0].bound, abs=1e-6)


# ---- names


def test_columns_that_are_needed():
    gates = [ERRORS, Gate(metric="brier", margin=0.1, slice="origin=JFK=1")]
    assert columns_of(gates, ("carrier", "origin")) == ("carrier", "origin")
    assert columns_of(gates, ()) == ("origin",)


def test_rows_of_a_gates_own_slice():
    table = Table({"slice:carrier": np.array([4, 0, -1, 4])})
    gate = Gate(metric="error_rate", margin=0.02, slice="carrier=UA")
    assert rows_in(gate, table, CODES).tolist() == [True, False, False, True]
    assert rows_in(ERRORS, table, CODES) is None
    never = Gate(metric="error_rate", margin=0.02, slice="carrier=XX")
    assert not rows_in(never, table, CODES).any()


# ---- through the judge


def carrier_rows(rng, requests, share_of_bad=0.05):
    """The carrier of each request: UA for a twentieth of them."""
    return np.where(rng.random(requests) < share_of_bad, "UA", rng.choice(["AA", "DL"], requests))


def shadow_with(bad_errors, requests=5000, seed=8):
    rng = np.random.default_rng(seed)
    records = []
    for number, carrier in enumerate(carrier_rows(rng, requests).tolist()):
        fields = {"rows": ({"carrier": carrier},)}
        fails = rng.random() < (bad_errors if carrier == "UA" else 0.005)
        records += shadowed(number, fields, {**fields, "status": 500} if fails else fields)
    return records


def test_judge_rolls_back_for_one_bad_slice_of_a_twentieth_of_the_traffic():
    records = shadow_with(0.3)
    blind = ask("shadow", rollout(ERRORS), records)
    assert blind.decision != "ROLLBACK"
    verdict = ask("shadow", rollout(ERRORS, slices=("carrier",)), records)
    assert verdict.decision == "ROLLBACK"
    assert [one.gate.slice for one in verdict.slices] == ["carrier=UA"]
    assert "error_rate[carrier=UA]" in verdict.reason
    assert [one.outcome for one in verdict.gates] == [one.outcome for one in blind.gates]


def test_judge_promotes_with_good_slices_and_names_the_nearest():
    verdict = ask("shadow", rollout(ERRORS, slices=("carrier",)), shadow_with(0.005))
    assert verdict.decision == "PROMOTE"
    assert len(verdict.slices) == 1
    assert verdict.slices[0].outcome != "fail"


def test_column_that_no_request_has_stops_nothing():
    verdict = ask("shadow", rollout(ERRORS, slices=("nowhere",)), shadow_with(0.005, 1500))
    assert (verdict.decision, verdict.slices) == ("PROMOTE", ())


@pytest.mark.parametrize("weight", [0.3, 0.0])
def test_slices_in_canary(weight):
    rng = np.random.default_rng(9)
    requests = 9000
    carriers = carrier_rows(rng, requests, 0.1)
    records = []
    for record, carrier in zip(canary(requests), carriers.tolist(), strict=True):
        update = {"rows": ({"carrier": carrier},)}
        if carrier == "UA" and record.variant == "v2" and rng.random() < 0.5:
            update |= {"status": 500, "predictions": None}
        records.append(record.model_copy(update=update))
    verdict = ask("canary", rollout(ERRORS, slices=("carrier",)), records, weight=weight)
    assert verdict.decision == "ROLLBACK"
    assert [one.gate.slice for one in verdict.slices] == ["carrier=UA"]


def test_share_that_is_not_known_is_the_one_that_was_seen():
    # with another share than the real one, the bets would be about another difference
    records = canary(6000, champion_errors=0.1, challenger_errors=0.3, weight=0.1)
    records = [one.model_copy(update={"rows": ({"carrier": "UA"},)}) for one in records]
    gate = Gate(metric="error_rate", margin=0.2)
    verdict = ask("canary", rollout(gate, slices=("carrier",)), records, weight=0.0)
    assert verdict.decision == "CONTINUE"
    low, high = verdict.slices[0].interval
    assert low < 0.2 < high < 0.33


@pytest.mark.parametrize("carrier,decision", [("UA", "ROLLBACK"), ("AA", "PROMOTE"), ("XX", "CONTINUE")])
def test_gate_of_one_slice_sees_no_other(carrier, decision):
    gate = Gate(metric="error_rate", margin=0.05, slice=f"carrier={carrier}")
    verdict = ask("shadow", rollout(gate), shadow_with(0.3))
    assert verdict.decision == decision
    assert verdict.gates[0].gate.name == f"error_rate[carrier={carrier}]"
    assert verdict.slices == ()


def test_gate_of_one_slice_is_not_sliced_again():
    gate = Gate(metric="error_rate", margin=0.5, slice="carrier=UA")
    verdict = ask("shadow", rollout(gate, slices=("carrier",)), shadow_with(0.3, 1000))
    assert verdict.slices == ()


def test_losses_are_judged_by_slice():
    rng = np.random.default_rng(10)
    records, labels = [], []
    for number, carrier in enumerate(carrier_rows(rng, 4000, 0.1).tolist()):
        label = float(rng.random() < 0.5)
        wrong = 1 - label if carrier == "UA" else label
        rows = ({"carrier": carrier},)
        guess = 0.5 + 0.3 * (label - 0.5)
        records += shadowed(
            number,
            {"rows": rows, "predictions": (guess,)},
            {"rows": rows, "predictions": (0.5 + 0.3 * (wrong - 0.5),)},
        )
        labels.append(truth(number, label))
    verdict = ask("shadow", rollout(Gate(metric="brier", margin=0.1), slices=("carrier",)), records, labels)
    assert verdict.decision == "ROLLBACK"
    assert verdict.slices[0].gate.name == "brier[carrier=UA]"


def test_limits_of_slices_are_stricter_the_more_are_watched():
    # half of the budget, over all slices that may come
    records = [capture(number, 2, rows=({"carrier": "UA"},), after=number) for number in range(20)]
    gate = Gate(metric="error_rate", max=0.5)
    few = ask("canary", rollout(gate, slices=("carrier",), max_slices=1), records, weight=0.0)
    many = ask("canary", rollout(gate, slices=("carrier",), max_slices=1000), records, weight=0.0)
    assert few.slices[0].interval[1] < many.slices[0].interval[1]
