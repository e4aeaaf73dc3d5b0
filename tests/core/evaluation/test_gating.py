from __future__ import annotations

import math
from typing import Any

import pytest

from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.evaluation.gating import Measured, check_evaluation, check_gates, decide
from airflow_mlops.core.gates import Gate
from airflow_mlops.spec import Evaluation


def measured(
    value: float | None, champion: float | None = None, version: int | None = None, rows: int = 900
) -> Measured:
    return Measured(value=value, champion=champion, champion_version=version, rows=rows)


@pytest.mark.parametrize(
    "gate,value,outcome,reason",
    [
        (Gate(metric="auc", min=0.7), 0.7, "pass", "0.7 is at least 0.7"),
        (Gate(metric="auc", min=0.7), 0.69, "fail", "0.69 is not at least 0.7"),
        (Gate(metric="brier", max=0.2), 0.2, "pass", "0.2 is at most 0.2"),
        (Gate(metric="brier", max=0.2), 0.21, "fail", "0.21 is not at most 0.2"),
    ],
)
def test_absolute_gates(gate: Gate, value: float, outcome: str, reason: str) -> None:
    result = decide(gate, measured(value))
    assert (result.outcome, result.reason) == (outcome, reason)
    assert (result.value, result.bound, result.samples) == (value, value, 900)
    assert result.limit == (gate.min if gate.min is not None else gate.max)


@pytest.mark.parametrize(
    "metric,value,champion,margin,outcome",
    [
        ("brier", 0.20, 0.20, 0.0, "pass"),
        ("brier", 0.25, 0.20, 0.0, "fail"),
        ("brier", 0.25, 0.20, 0.1, "pass"),
        ("brier", 0.19, 0.20, -0.05, "fail"),
        ("brier", 0.10, 0.20, -0.05, "pass"),
        ("auc", 0.75, 0.70, 0.0, "pass"),
        ("auc", 0.65, 0.70, 0.0, "fail"),
        ("auc", 0.65, 0.70, 0.1, "pass"),
        ("auc", 0.72, 0.70, -0.05, "fail"),
    ],
)
def test_margins_know_which_way_is_better(
    metric: str, value: float, champion: float, margin: float, outcome: str
) -> None:
    result = decide(Gate(metric=metric, margin=margin), measured(value, champion, 4))
    assert result.outcome == outcome
    worse_by = champion - value if metric == "auc" else value - champion
    assert result.bound == pytest.approx(worse_by)
    assert (result.value, result.champion, result.limit) == (value, champion, margin)
    assert "of version 4" in result.reason


def test_the_reason_of_a_margin_reads_well() -> None:
    gate = Gate(metric="brier", margin=0.01)
    told = decide(gate, Measured(0.25, 0.2, 4, 900, interval=(0.04, 0.061)))
    assert told.reason == (
        "0.25 is 0.05 worse than 0.2 of version 4, not at most 0.01 worse than the champion "
        "(95 % interval of worse-by: 0.04 to 0.061)"
    )
    assert decide(gate, measured(0.15, 0.2, 4)).reason == (
        "0.15 is 0.05 better than 0.2 of version 4, at most 0.01 worse than the champion"
    )


def test_without_a_champion_a_margin_has_nothing_to_compare_with() -> None:
    result = decide(Gate(metric="brier", margin=0.0), measured(0.9))
    assert (result.outcome, result.reason) == ("pass", "no champion: nothing to compare with")
    assert decide(Gate(metric="brier", max=0.5), measured(0.9)).outcome == "fail"


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("gate", [{"min": -1e9}, {"max": 1e9}, {"margin": 1e9}])
@pytest.mark.parametrize("version", [None, 3])
def test_what_was_not_measured_never_passes(
    value: float | None, gate: dict[str, float], version: int | None
) -> None:
    result = decide(Gate(metric="brier", **gate), measured(value, 0.5 if version else None, version))
    assert (result.outcome, result.value) == ("inconclusive", None)


@pytest.mark.parametrize("champion", [None, math.nan, math.inf])
def test_a_champion_that_was_not_measured_decides_nothing(champion: float | None) -> None:
    result = decide(Gate(metric="brier", margin=1e9), measured(0.1, champion, 3))
    assert result.outcome == "inconclusive"
    assert "could not be measured for version 3" in result.reason


def test_a_slice_with_few_rows_decides_nothing() -> None:
    gate = Gate(metric="auc", min=0.1, slice="carrier=UA")
    assert decide(gate, measured(0.9, rows=50)).outcome == "pass"
    result = decide(gate, measured(0.9, rows=49))
    assert (result.outcome, result.reason) == ("inconclusive", "only 49 rows, fewer than 50")


@pytest.mark.parametrize(
    "gate,objective,message",
    [
        (
            Gate(metric="latency", margin=1, threshold=5),
            "binary",
            "latency can't be measured on the test part",
        ),
        (Gate(metric="rmse", max=1), "binary", "rmse can't be measured .* expected auc, "),
        (Gate(metric="auc", min=0), "regression", "auc can't be measured .* expected rmse, mae, r2"),
        (Gate(metric="auc", min=0, slice="carrier"), "binary", "slice is malformed; given 'carrier'"),
        (Gate(metric="auc", min=0, slice="=UA"), "binary", "slice is malformed"),
    ],
)
def test_gates_that_can_not_be_measured(gate: Gate, objective: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_gates([gate], objective)


def test_groups_costs_and_wide_searches_are_checked_before_anything_is_trained() -> None:
    def check(objective: str = "binary", features: int = 5, **sections: Any) -> None:
        metric = "auc" if objective == "binary" else "rmse"
        gates = [{"metric": metric, "max": 1}, *sections.pop("gates", [])]
        check_evaluation(
            Evaluation(gates=gates, **sections), [f"c{one}" for one in range(features)], objective
        )

    fair = {"metric": "equalized_odds_difference", "group": "origin", "max": 0.1}
    check(
        groups=["origin"], costs={"false_positive": 1}, search={}, gates=[fair, {"metric": "cost", "max": 3}]
    )
    with pytest.raises(SpecError, match=r"equalized_odds_difference can't be measured .* a regression model"):
        check("regression", gates=[fair])
    with pytest.raises(
        SpecError, match=r"evaluation.groups is about answers of yes or no; given a regression"
    ):
        check("regression", groups=["origin"])
    with pytest.raises(SpecError, match=r"leave evaluation.costs out"):
        check("regression", costs={"false_positive": 1})
    with pytest.raises(SpecError, match=r"evaluation.search has too many columns"):
        check(features=10_000, search={})


def test_the_interval_of_a_limit_is_told() -> None:
    gate = Gate(metric="demographic_parity_difference", group="origin", max=0.1)
    told = decide(gate, Measured(0.08, None, None, 900, interval=(0.05, 0.12)))
    assert (told.outcome, told.reason) == ("pass", "0.08 is at most 0.1 (95 % interval: 0.05 to 0.12)")
