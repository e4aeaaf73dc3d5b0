"""One number in [0, 1] per request or row, and what is as bad as can be."""

import math

import numpy as np
import pytest

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.rollout.outcomes import change, latency_of, outcome, unanswered, unit_of
from airflow_mlops.core.rollout.scales import CLIP, scale_of
from airflow_mlops.core.rollout.table import Table


def found(gate, objective="binary", prefix="", **columns):
    table = Table(
        {f"{prefix}{name}": np.array(column) for name, column in columns.items() if name != "label"}
    )
    if "label" in columns:
        table["label"] = np.array(columns["label"])
    return outcome(gate, scale_of(gate, objective), table, prefix).tolist()


@pytest.mark.parametrize(
    "metric,unit",
    [
        ("error_rate", "request"),
        ("latency", "request"),
        ("latency_quantile", "request"),
        ("disagreement", "row"),
        ("score_shift", "row"),
        ("accuracy", "label"),
        ("log_loss", "label"),
    ],
)
def test_unit_of_each_metric(metric, unit):
    assert unit_of(scale_of(Gate(metric=metric, max=0.5, threshold=1), "binary")) == unit


def test_errors_and_slow_requests():
    columns = {
        "failed": [False, True, False, False, False],
        "refused": [False, False, True, False, False],
        "latency": [50.0, 1.0, 1.0, 50.1, math.nan],
    }
    for prefix in ("", "champion:"):
        assert found(Gate(metric="error_rate", max=0.5), prefix=prefix, **columns) == [0, 1, 1, 0, 0]
        slow = found(Gate(metric="latency", max=0.5, threshold=50), prefix=prefix, **columns)
        # failing fast is not fast; what is missing is not judged
        assert slow[:4] == [0, 1, 1, 1]
        assert math.isnan(slow[4])
    table = Table({name: np.array(column) for name, column in columns.items()})
    assert unanswered(table).tolist() == [0, 1, 1, 0, 0]
    assert latency_of(table)[:4].tolist() == [50.0, math.inf, math.inf, 50.1]


def test_losses_of_a_binary_model():
    columns = {"prediction": [0.9, 0.2, 0.5, math.nan], "label": [1.0, 1.0, 0.0, 1.0]}
    assert found(Gate(metric="brier", max=0.5), **columns) == pytest.approx([0.01, 0.64, 0.25, 1.0])
    # a probability of one half is a yes
    assert found(Gate(metric="accuracy", min=0.5), **columns) == [0, 1, 1, 1]


def test_log_loss_is_clipped_and_scaled_to_one():
    scale = scale_of(Gate(metric="log_loss", max=1), "binary")
    values = found(
        Gate(metric="log_loss", max=1), prediction=[1.0, 0.0, 0.5, 1 - CLIP], label=[1.0, 1.0, 1.0, 1.0]
    )
    assert values[:2] == pytest.approx([0.0, 1.0])
    assert scale.low + scale.span * values[2] == pytest.approx(math.log(2))
    assert values[3] == pytest.approx(0.0)


def test_error_of_a_regression_is_capped():
    gate = Gate(metric="mae", max=5, threshold=20)
    columns = {"prediction": [10.0, 30.0, 1e300, math.nan], "label": [5.0, 40.0, 0.0, 0.0]}
    assert found(gate, "regression", **columns) == [0.25, 0.5, 1.0, 1.0]


def test_changes_of_an_answer():
    table = Table(
        {
            "prediction": np.array([0.6, 0.4, 0.5, math.nan, 0.2, math.nan]),
            "champion:prediction": np.array([0.7, 0.6, 0.5, 0.5, math.nan, math.nan]),
        }
    )
    differ = change(scale_of(Gate(metric="disagreement", max=0.5), "binary"), table)
    assert differ[:5].tolist() == [0, 1, 0, 1, 1]
    shift = change(scale_of(Gate(metric="score_shift", max=0.5), "binary"), table)
    assert shift[:5] == pytest.approx([0.1, 0.2, 0.0, 1.0, 1.0])
    # where nobody answered there is nothing to compare
    assert np.isnan([differ[5], shift[5]]).all()
