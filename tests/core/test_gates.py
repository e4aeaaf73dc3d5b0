"""One limit per gate, a known metric, and words for tables."""

from __future__ import annotations

import math

import pytest

from airflow_mlops.core.errors import GateFailed, MlopsError, SpecError
from airflow_mlops.core.gates import FAIRNESS, HIGHER_IS_BETTER, LOWER_IS_BETTER, Gate, GateResult


def test_each_metric_has_one_direction() -> None:
    assert not HIGHER_IS_BETTER & LOWER_IS_BETTER
    for metrics, direction in ((HIGHER_IS_BETTER, "higher"), (LOWER_IS_BETTER, "lower")):
        for one in metrics:
            group = "origin" if one in FAIRNESS else None
            assert Gate(metric=one, max=1, group=group).direction == direction


@pytest.mark.parametrize(
    "limits, words",
    [
        ({"min": 0}, "at least 0"),
        ({"max": 0.25}, "at most 0.25"),
        ({"margin": 0}, "at most 0 worse than the champion"),
        ({"margin": -0.01}, "at most -0.01 worse than the champion"),
    ],
)
def test_a_limit_of_zero_is_a_limit(limits: dict[str, float], words: str) -> None:
    assert Gate(metric="auc", **limits).limit_text == words


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"metric": "auc"}, "exactly one limit of min, max, margin; this one has none"),
        ({"metric": "auc", "min": 0, "margin": 0}, r"this one has \['min', 'margin'\]"),
        ({"metric": "AUC", "min": 0}, "metric 'AUC' is unknown; known are accuracy, auc, average_precision"),
        ({"metric": "auc", "max": math.nan}, "max: given nan; Input should be a finite number"),
        ({"metric": "auc", "margin": math.inf}, "margin: given inf; Input should be a finite number"),
        ({"metric": "auc", "minimum": 0.5}, "minimum: unknown field; did you mean min?"),
        ({"min": 0.5}, "metric: missing"),
    ],
)
def test_wrong_gates(fields: dict[str, object], says: str) -> None:
    with pytest.raises(SpecError, match=f"^Gate: .*{says}"):
        Gate(**fields)


@pytest.mark.parametrize("outcome, passed", [("pass", True), ("fail", False), ("inconclusive", False)])
def test_only_a_pass_passes(outcome: str, passed: bool) -> None:
    result = GateResult(gate=Gate(metric="auc", min=0.5), outcome=outcome, reason="r")
    assert result.passed is passed
    assert GateResult.from_bytes(result.to_bytes()) == result


def test_an_error_is_one_line_of_problem_given_expected_remedy() -> None:
    error = MlopsError("no such column", given="a\nb\r\nc\u2028d", expected="one of x, y", remedy="rename it")
    assert str(error) == "no such column; given a b c d; expected one of x, y; rename it"
    assert str(MlopsError("count", given=0)) == "count; given 0"
    assert GateFailed("refused", gates=()).gates == ()
