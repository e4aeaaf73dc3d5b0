"""The truth about rows: late, out of order, doubled, corrected, strange, or never there."""

import math
import random
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.rollout.labelling import Labels, rows_of
from airflow_mlops.core.rollout.observations import Intake, Window
from tests.core.rollout.traffic import NOW, START, capture, truth


class Joined:
    """Feeds records and labels in portions and keeps all rows that became known."""

    def __init__(self, objective="binary"):
        self.counts = Counter()
        self._intake = Intake(Window("canary", "v1", "v2", START.timestamp()), objective, (), self.counts)
        self._labels = Labels(objective, self.counts)
        self.found = []

    def feed(self, records=(), labels=(), now=NOW):
        answers, predictions = self._intake.take(records, now.timestamp())
        answers["known"] = answers["at"]
        rows = rows_of(answers, predictions)
        self._labels.expect(rows)
        table = self._labels.add(rows, labels, now.timestamp())
        self._labels.count_strangers(self._intake.requests)
        self.found += list(
            zip(
                (table["known"] - START.timestamp()).tolist(),
                table["prediction"].tolist(),
                table["label"].tolist(),
                strict=True,
            )
        )
        return self


def test_row_and_label_meet_whichever_comes_first():
    late = Joined().feed([capture(1)]).feed(labels=[truth(1, 1.0, after=60)])
    early = Joined().feed(labels=[truth(1, 1.0, after=60)]).feed([capture(1)])
    together = Joined().feed([capture(1)], [truth(1, 1.0, after=60)])
    assert late.found == early.found == together.found == [(60.0, 0.5, 1.0)]
    assert late.counts["labelled"] == late.counts["labels"] == 1


def test_label_from_before_its_answer_is_known_with_the_answer():
    joined = Joined().feed([capture(10)], [truth(10, 0.0, after=2)])
    assert joined.found == [(10.0, 0.5, 0.0)]


def test_rows_come_in_the_order_in_which_they_became_known():
    labels = [truth(1, 1.0, after=90), truth(2, 0.0, after=30), truth(3, 1.0, after=60)]
    records = [capture(1), capture(2), capture(3)]
    joined = Joined().feed(records, labels)
    assert [known for known, _, _ in joined.found] == [30.0, 60.0, 90.0]
    random.Random(2).shuffle(labels)
    assert Joined().feed(records[::-1], labels).found == joined.found


def test_latest_label_holds_whatever_the_order():
    for last in (0.0, 1.0):
        labels = [truth(1, 1 - last, after=10), truth(1, last, after=20), truth(1, 1 - last, after=15)]
        for order in (labels, labels[::-1]):
            joined = Joined().feed([capture(1)], order)
            assert joined.found == [(20.0, 0.5, last)]
            assert joined.counts["labels_corrected"] == 2


def test_labels_of_one_moment_have_one_result():
    labels = [truth(1, 0.0, after=10), truth(1, 1.0, after=10)]
    for order in (labels, labels[::-1]):
        assert Joined().feed([capture(1)], order).found == [(10.0, 0.5, 1.0)]


def test_correction_after_the_row_was_judged_is_counted_and_takes_nothing_back():
    joined = Joined().feed([capture(1)], [truth(1, 0.0)])
    joined.feed(labels=[truth(1, 1.0, after=4000)])
    assert [label for _, _, label in joined.found] == [0.0]
    assert (joined.counts["labels_corrected"], joined.counts["labels"]) == (1, 2)


def test_doubled_label_counts_once():
    joined = Joined().feed([capture(1)], [truth(1), truth(1)]).feed(labels=[truth(1)])
    assert len(joined.found) == 1
    assert joined.counts["labels_corrected"] == 2


def test_label_of_a_request_that_nobody_has_seen_waits_and_is_told():
    joined = Joined().feed([capture(1)], [truth(1), truth(2)])
    assert joined.counts["labels_of_unknown_requests"] == 1
    joined.feed([capture(2)])
    assert len(joined.found) == 2
    assert joined.counts["labels_of_unknown_requests"] == 0


def test_label_of_a_row_that_the_request_has_not():
    joined = Joined().feed([capture(1)], [truth(1), truth(1, row=5)])
    assert len(joined.found) == 1
    assert joined.counts["labels_of_unknown_rows"] == 1
    assert joined.counts["labels_of_unknown_requests"] == 0


@pytest.mark.parametrize("objective", ["binary", "regression"])
@pytest.mark.parametrize(
    "label,row,fine", [(math.nan, 0, ()), (math.inf, 0, ()), (1.0, -1, ()), (0.5, 0, ("regression",))]
)
def test_label_that_is_none(objective, label, row, fine):
    joined = Joined(objective).feed([capture(1)], [truth(1, label, row=row)])
    assert len(joined.found) == (objective in fine)
    assert joined.counts["labels_invalid"] == (objective not in fine)


def test_row_number_beyond_all_bounds_is_only_unknown():
    joined = Joined().feed([capture(1)], [truth(1, row=2**70)])
    assert joined.counts["labels_of_unknown_rows"] == 1


def test_label_of_the_future_waits_for_its_time():
    ahead = truth(1, at=NOW + timedelta(minutes=1))
    joined = Joined().feed([capture(1)], [ahead])
    assert (joined.found, joined.counts["labels_after_now"]) == ([], 1)
    joined.feed(now=NOW + timedelta(minutes=2))
    assert len(joined.found) == joined.counts["labels"] == 1
    assert joined.counts["labels_after_now"] == 0


def test_each_row_of_a_request_has_its_own_truth():
    record = capture(1, rows=({"x": 1}, {"x": 2}, {"x": 3}), predictions=(0.1, 0.2, 0.3))
    labels = [truth(1, 1.0, row=2), truth(1, 0.0, row=0)]
    joined = Joined().feed([record], labels)
    assert sorted((guess, label) for _, guess, label in joined.found) == [(0.1, 0.0), (0.3, 1.0)]
    joined.feed(labels=[truth(1, 1.0, row=1)])
    assert joined.found[-1][1:] == (0.2, 1.0)


def test_failed_answer_has_a_row_without_a_prediction_for_each_that_was_asked():
    record = capture(1, rows=({"x": 1}, {"x": 2}), status=500)
    joined = Joined().feed([record], [truth(1, row=0), truth(1, row=1)])
    assert len(joined.found) == 2
    assert np.isnan([guess for _, guess, _ in joined.found]).all()


def test_portions_make_no_difference():
    rng = random.Random(3)
    records = [capture(number, predictions=(number / 100,)) for number in range(100)]
    labels = [truth(number % 120, float(number % 2), after=rng.random() * 3600) for number in range(110)]
    whole = Joined().feed(records, labels)
    rng.shuffle(records)
    rng.shuffle(labels)
    parts = Joined()
    for start in range(0, 110, 11):
        parts.feed(records[start : start + 11], labels[start : start + 11])
    assert sorted(parts.found) == sorted(whole.found)
    assert parts.counts == whole.counts
