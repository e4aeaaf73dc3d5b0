import math
from collections import Counter
from datetime import timedelta

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.losses import join_truth, losses
from airflow_mlops.core.rollout.observations import Window, read_answers
from airflow_mlops.core.rollout.scales import scale_of
from tests.core.rollout.traffic import NOW, START, capture, shadowed, truth


def measured(records, labels, gate=None, objective="binary", stage="canary"):
    counts: Counter = Counter()
    window = Window(stage, "v1", "v2", START.timestamp(), NOW.timestamp())
    answers = read_answers(records, window, objective, counts)
    joined = join_truth(labels, answers, objective, window.now, counts)
    scale = scale_of(gate or Gate(metric="brier", margin=0.01), objective)
    loss, known = losses(answers, joined, scale)
    return loss, known - START.timestamp(), counts


def test_brier_is_the_mean_over_the_labelled_rows():
    records = [capture(1, rows=({}, {}, {}), predictions=(0.2, 0.9, 0.4)), capture(2)]
    loss, known, counts = measured(records, [truth(1, 0, row=0), truth(1, 1, row=1, after=4000)])
    assert loss[0] == pytest.approx((0.2**2 + 0.1**2) / 2)
    assert math.isnan(loss[1])
    assert known.tolist() == [4000.0, 2.0]
    assert counts["labelled"] == 1


def test_log_loss_is_clipped_and_scaled():
    gate = Gate(metric="log_loss", margin=0.1)
    scale = scale_of(gate, "binary")
    records = [capture(1, predictions=(0.0,)), capture(2, predictions=(0.0,)), capture(3, predictions=(0.3,))]
    loss, _, _ = measured(records, [truth(1, 1), truth(2, 0), truth(3, 1)], gate)
    assert loss.tolist() == pytest.approx([1.0, 0.0, (-math.log(0.3) - scale.low) / scale.span])


def test_absolute_error_is_capped():
    gate = Gate(metric="mae", margin=1, threshold=10)
    records = [capture(1, predictions=(5.0,)), capture(2, predictions=(500.0,))]
    loss, _, _ = measured(records, [truth(1, 2.0), truth(2, -3.0)], gate, "regression")
    assert loss.tolist() == pytest.approx([0.3, 1.0])


def test_failure_with_a_label_is_as_wrong_as_can_be():
    loss, _, _ = measured([capture(1, status=500), capture(2, status=500)], [truth(1, 0, row=3)])
    assert loss[0] == 1.0
    assert math.isnan(loss[1])


def test_both_answers_to_a_request_get_the_label():
    records = shadowed(1, {"predictions": (0.5,)}, {"predictions": (0.9,)})
    loss, _, counts = measured(records, [truth(1, 1)], stage="shadow")
    assert sorted(loss) == pytest.approx([0.01, 0.25])
    assert (counts["labels"], counts["labelled"]) == (1, 2)


def test_later_label_corrects_whatever_the_order():
    labels = [truth(1, 0, after=10), truth(1, 1, after=20), truth(1, 0, after=15)]
    for order in (labels, labels[::-1]):
        loss, known, counts = measured([capture(1, predictions=(0.9,))], order)
        assert loss[0] == pytest.approx(0.01)
        assert known[0] == 20.0
        assert counts["labels_corrected"] == 2


@pytest.mark.parametrize(
    "label,reason",
    [
        (truth(1, math.nan), "labels_invalid"),
        (truth(1, math.inf), "labels_invalid"),
        (truth(1, 0.5), "labels_invalid"),
        (truth(1, 1, row=-1), "labels_invalid"),
        (truth(1, 1, row=1), "labels_of_unknown_rows"),
        (truth(1, 1, row=2**70), "labels_of_unknown_rows"),
        (truth(99, 1), "labels_of_unknown_requests"),
        (truth(1, 1, at=NOW + timedelta(seconds=1)), "labels_after_now"),
    ],
)
def test_bad_label_is_counted_and_harms_no_other(label, reason):
    loss, _, counts = measured([capture(1), capture(2)], [label, truth(2, 1)])
    assert counts[reason] == 1
    assert np.isnan(loss).tolist() == [True, False]


def test_bad_correction_leaves_the_label_in_force():
    loss, _, _ = measured([capture(1)], [truth(1, 1, after=10), truth(1, math.nan, after=20)])
    assert loss[0] == pytest.approx(0.25)


def test_no_labels():
    loss, _, counts = measured([capture(1)], [])
    assert math.isnan(loss[0])
    assert counts["labels"] == counts["labelled"] == 0
