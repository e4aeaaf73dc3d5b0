"""Records of every kind of bad input: set aside, counted, never fatal."""

import math
import random
from collections import Counter
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from airflow_mlops.core.rollout.observations import Intake, Window
from airflow_mlops.core.rollout.table import Table
from tests.core.rollout.traffic import NOW, START, capture, shadowed


def intake(stage="canary", objective="binary", columns=(), deployment=None) -> tuple[Intake, Counter]:
    counts: Counter = Counter()
    window = Window(stage, "v1", "v2", START.timestamp(), deployment)
    return Intake(window, objective, columns, counts), counts


def read(records, stage="canary", objective="binary", **fields) -> tuple[Table, Counter]:
    taker, counts = intake(stage, objective, **fields)
    return taker.take(records, NOW.timestamp())[0], counts


def times(answers: Table) -> list[float]:
    return (answers["at"] - START.timestamp()).tolist()


# ---- what counts


@pytest.mark.parametrize(
    "fields,reason",
    [
        ({"variant": "v7"}, "unknown_variant"),
        ({"variant": "nonsense"}, "unknown_variant"),
        ({"variant": "fallback", "role": "fallback"}, "fallback_answers"),
        ({"role": "shadow"}, "other_role"),
        ({"version": 2, "role": "champion"}, "other_role"),
        ({"chosen": "failover"}, "not_assigned"),
        ({"chosen": "target"}, "not_assigned"),
        ({"at": START - timedelta(seconds=1)}, "before_start"),
        ({"at": datetime(1, 1, 1, tzinfo=timezone.utc)}, "before_start"),
        ({"at": NOW + timedelta(seconds=1)}, "after_now"),
    ],
)
def test_record_is_set_aside_and_counted(fields, reason):
    version = fields.get("version", 1)
    others = {name: value for name, value in fields.items() if name != "version"}
    answers, counts = read([capture(1), capture(2, version, **others)])
    assert answers.rows == 1
    assert counts[reason] == 1
    assert counts["captures"] == 2


def test_deployment_decides_what_belongs_to_the_stage_and_no_clock():
    records = [
        capture(1, deployment=6),
        capture(2, deployment=7, at=START - timedelta(hours=1)),
        capture(3, deployment=9),
    ]
    answers, counts = read(records, deployment=7)
    assert times(answers) == [-3600.0, 3.0]
    assert counts["before_start"] == 1


def test_target_variant_is_fair_in_shadow():
    answers, counts = read(shadowed(1, {"chosen": "target"}, {"chosen": "shadow"}), "shadow")
    assert answers["mine"].tolist() == [False, True] or answers["mine"].tolist() == [True, False]
    assert counts["not_assigned"] == 0


def test_no_records():
    answers, counts = read([])
    assert answers.rows == counts["captures"] == 0


# ---- what an answer is


@pytest.mark.parametrize(
    "predictions",
    [(math.nan,), (math.inf,), (-math.inf,), (1.2,), (-0.1,), (0.5, 0.5), (0.5, math.nan)],
)
def test_predictions_that_are_none_count_as_failure(predictions):
    answers, counts = read([capture(1, predictions=predictions)])
    assert answers["failed"].tolist() == [True]
    assert answers["rows"].tolist() == [0]
    assert counts["invalid_predictions"] == 1


@pytest.mark.parametrize("predictions", [None, ()])
def test_no_predictions_are_a_failure(predictions):
    answers, counts = read([capture(1, predictions=predictions)])
    assert answers["failed"].tolist() == [True]
    assert counts["champion_failed"] == 1
    assert counts["invalid_predictions"] == 0


def test_regression_may_predict_any_finite_number():
    answers, _ = read(
        [capture(1, predictions=(-40.0,)), capture(2, predictions=(1e300,))], objective="regression"
    )
    assert not answers["failed"].any()


def test_capture_without_its_input_may_have_any_number_of_predictions():
    answers, _ = read([capture(1, rows=(), predictions=(0.1, 0.2))])
    assert (answers["failed"].tolist(), answers["rows"].tolist()) == ([False], [2])


def test_client_errors_are_no_failures():
    answers, counts = read([capture(1, status=400), capture(2, status=429), capture(3, status=503)])
    assert answers["refused"].tolist() == [True, True, False]
    assert answers["failed"].tolist() == [False, False, True]
    assert counts["champion_client_errors"] == 2


@pytest.mark.parametrize("status,failed", [(2**70, True), (-(2**70), False), (0, False), (599, True)])
def test_status_may_be_any_number(status, failed):
    answers, _ = read([capture(1, status=status, predictions=(0.5,))])
    assert answers["failed"].tolist() == [failed]


@pytest.mark.parametrize("latency", [math.nan, math.inf, -1.0])
def test_missing_latency(latency):
    answers, counts = read([capture(1, latency_ms=latency), capture(2)])
    assert np.isnan(answers["latency"]).tolist() == [True, False]
    assert counts["champion_missing_latency"] == 1


def test_predictions_stand_one_behind_the_other():
    two = ({"x": 1.0}, {"x": 2.0})
    taker, _ = intake()
    answers, predictions = taker.take(
        [
            capture(1, rows=two, predictions=(0.1, 0.2)),
            capture(2, rows=two, predictions=(0.3, math.nan)),
            capture(3, predictions=(0.4,)),
        ],
        NOW.timestamp(),
    )
    for place, wanted in enumerate([[0.1, 0.2], [], [0.4]]):
        first, rows = answers["first"][place], answers["rows"][place]
        assert predictions[first : first + rows].tolist() == wanted
    assert answers["asked"].tolist() == [2, 2, 1]


# ---- the hash that assigned it


def test_keys_are_read_as_the_hash_that_they_are():
    answers, _ = read([capture(1, key="00000000000000ff"), capture(2, key="f" * 16)])
    assert answers["key"].tolist() == [255, 2**64 - 1]


@pytest.mark.parametrize("key", ["", "no hash", "é", "-1", "1" * 40])
def test_key_that_is_no_hash_of_ours_is_one_all_the_same(key):
    alone, _ = read([capture(1, key=key)])
    beside, _ = read([capture(1, key=key), capture(2, key="00000000000000ff")])
    assert beside["key"].tolist() == [alone["key"][0], 255]


# ---- once, and in order


def test_first_of_duplicates_counts_whatever_the_order():
    records = [
        capture(1, status=500),
        capture(1, after=5, event_id="retry"),
        capture(9, after=9, event_id="champion-1"),
        capture(3),
    ]
    for order in (records, records[::-1]):
        answers, counts = read(order)
        assert answers["failed"].tolist() == [True, False]
        assert counts["duplicate_inference_id"] == 1
        assert counts["duplicate_event_id"] == 1


def test_duplicates_are_known_again_in_later_portions():
    taker, counts = intake()
    first, _ = taker.take([capture(1, status=500), capture(2)], NOW.timestamp())
    again, _ = taker.take([capture(1), capture(2, event_id="retry"), capture(3)], NOW.timestamp())
    assert (first.rows, again.rows) == (2, 1)
    assert counts["duplicate_event_id"] == 1
    assert counts["duplicate_inference_id"] == 1
    assert counts["champion"] == 3


def test_the_same_inference_id_on_both_sides_is_no_duplicate_in_shadow():
    answers, counts = read(shadowed(1), "shadow")
    assert answers.rows == 2
    assert counts["duplicate_inference_id"] == 0


def test_times_that_go_back_are_sorted_and_no_zone_is_utc():
    naive = (START + timedelta(seconds=2)).replace(tzinfo=None)
    answers, _ = read([capture(3), capture(1), capture(2, at=naive)])
    assert times(answers) == [1.0, 2.0, 3.0]


def test_records_of_one_moment_have_one_order():
    records = [capture(number, after=5, status=500 if number % 3 else 200) for number in range(50)]
    one, _ = read(records)
    random.Random(1).shuffle(records)
    other, _ = read(records)
    assert one["key"].tolist() == other["key"].tolist()
    assert one["failed"].tolist() == other["failed"].tolist()


def test_record_of_the_future_waits_for_its_time():
    taker, counts = intake()
    ahead = capture(1, at=NOW + timedelta(seconds=60))
    assert taker.take([ahead, capture(2)], NOW.timestamp())[0].rows == 1
    assert counts["after_now"] == 1
    assert taker.take([], NOW.timestamp() + 59)[0].rows == 0
    assert taker.take([], NOW.timestamp() + 61)[0].rows == 1
    assert (counts["after_now"], counts["captures"]) == (0, 2)


# ---- columns for slices


def test_values_of_columns_are_numbered_in_the_order_of_appearance():
    def row(**fields):
        return (fields,)

    taker, _ = intake(columns=("carrier", "tall"))
    first, _ = taker.take(
        [
            capture(1, rows=row(carrier="UA", tall=True)),
            capture(2, rows=row(carrier=None, tall=7)),
            capture(3, rows=()),
            capture(4, rows=row(carrier="AA")),
        ],
        NOW.timestamp(),
    )
    assert first["slice:carrier"].tolist() == [0, -1, -1, 1]
    assert first["slice:tall"].tolist() == [0, 1, -1, -1]
    second, _ = taker.take([capture(5, rows=row(carrier="AA"))], NOW.timestamp())
    assert second["slice:carrier"].tolist() == [1]
    assert taker.codes == {"carrier": {"UA": 0, "AA": 1}, "tall": {"True": 0, "7": 1}}
