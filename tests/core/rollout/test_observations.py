"""Records of every kind of bad input: set aside, counted, never fatal."""

import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.rollout.observations import Answers, Window, read_answers
from tests.core.rollout.traffic import NOW, START, capture, shadowed


def read(records, stage="canary", objective="binary") -> tuple[Answers, Counter]:
    counts: Counter = Counter()
    window = Window(stage, "v1", "v2", START.timestamp(), NOW.timestamp())
    return read_answers(records, window, objective, counts), counts


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
        ({"at": NOW + timedelta(seconds=1)}, "after_now"),
    ],
)
def test_record_is_set_aside_and_counted(fields, reason):
    version = fields.get("version", 1)
    others = {name: value for name, value in fields.items() if name != "version"}
    answers, counts = read([capture(1), capture(2, version, **others)])
    assert len(answers.at) == 1
    assert counts[reason] == 1
    assert counts["captures"] == 2


def test_target_variant_is_fair_in_shadow():
    answers, counts = read(shadowed(1, {"chosen": "target"}, {"chosen": "shadow"}), "shadow")
    assert len(answers.pairs()[0]) == 1
    assert counts["not_assigned"] == 0


@pytest.mark.parametrize(
    "predictions",
    [(math.nan,), (math.inf,), (-math.inf,), (1.2,), (-0.1,), (0.5, 0.5), (0.5, math.nan)],
)
def test_predictions_that_are_none_count_as_failure(predictions):
    answers, counts = read([capture(1, predictions=predictions)])
    assert answers.failed.tolist() == [True]
    assert answers.rows.tolist() == [0]
    assert counts["invalid_predictions"] == 1


@pytest.mark.parametrize("predictions", [None, ()])
def test_no_predictions_are_a_failure(predictions):
    answers, counts = read([capture(1, predictions=predictions)])
    assert answers.failed.tolist() == [True]
    assert counts["champion_failed"] == 1
    assert counts["invalid_predictions"] == 0


def test_regression_may_predict_any_finite_number():
    answers, _ = read(
        [capture(1, predictions=(-40.0,)), capture(2, predictions=(1e300,))], objective="regression"
    )
    assert not answers.failed.any()


def test_client_errors_are_no_failures():
    answers, counts = read([capture(1, status=400), capture(2, status=429), capture(3, status=503)])
    assert answers.refused.tolist() == [True, True, False]
    assert answers.failed.tolist() == [False, False, True]
    assert counts["champion_client_errors"] == 2


@pytest.mark.parametrize("latency", [math.nan, math.inf, -1.0])
def test_missing_latency(latency):
    answers, counts = read([capture(1, latency_ms=latency), capture(2)])
    assert np.isnan(answers.latency).tolist() == [True, False]
    assert counts["champion_missing_latency"] == 1


def test_first_of_duplicates_counts_whatever_the_order():
    records = [
        capture(1, status=500),
        capture(1, after=5, event_id="retry"),
        capture(9, after=9, event_id="champion-1"),
        capture(3),
    ]
    for order in (records, records[::-1]):
        answers, counts = read(order)
        assert answers.failed.tolist() == [True, False]
        assert counts["duplicate_inference_id"] == 1
        assert counts["duplicate_event_id"] == 1


def test_times_that_go_back_are_sorted_and_no_zone_is_utc():
    naive = (START + timedelta(seconds=2)).replace(tzinfo=None)
    answers, _ = read([capture(3), capture(1), capture(2, at=naive)])
    assert (answers.at - START.timestamp()).tolist() == [1.0, 2.0, 3.0]


def test_pairs_come_in_the_order_in_which_they_are_complete():
    records = [*shadowed(1, shadow={"after": 50}), *shadowed(2, shadow={"after": 10}), capture(3)]
    answers, _ = read(records, "shadow")
    champion, challenger = answers.pairs()
    assert (answers.at[champion] - START.timestamp()).tolist() == [2.0, 1.0]
    assert answers.challenger[challenger].all()


def test_no_records():
    answers, counts = read([])
    assert len(answers.at) == len(answers.pairs()[0]) == counts["captures"] == 0


def test_random_numbers_do_not_follow_the_names():
    answers, _ = read([capture(number) for number in range(2000)])
    ranks = np.argsort(np.argsort(answers.shuffle))
    assert abs(np.corrcoef(ranks, np.arange(2000))[0, 1]) < 0.08
