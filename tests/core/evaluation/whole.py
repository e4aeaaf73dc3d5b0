"""An evaluation with all its parts, made by hand."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from airflow_mlops.core.evaluation.analysis import (
    Ageing,
    AgeingPoint,
    Calibration,
    CalibrationBin,
    CostPoint,
    CostResult,
    Efficiency,
    Fairness,
    FeatureImportance,
    GroupMetrics,
    Importance,
    SliceSearchResult,
    WeakSlice,
)
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.gates import Gate, GateResult

UNTIL = datetime(2013, 6, 17, tzinfo=timezone.utc)
METRICS = {"auc": 0.71, "log_loss": 0.46, "brier": 0.148, "accuracy": 0.8}
RIVAL = {"auc": 0.7, "log_loss": 0.45, "brier": 0.148, "accuracy": 0.79}


def gates(*, refused: bool = False) -> tuple[GateResult, ...]:
    held = GateResult(
        gate=Gate(metric="auc", min=0.62), outcome="pass", value=0.71, bound=0.71, limit=0.62, samples=26000,
        reason="0.71 is at least 0.62",
    )  # fmt: skip
    margin = GateResult(
        gate=Gate(metric="log_loss", margin=0.005), outcome="fail" if refused else "pass", value=0.46, champion=0.45,
        bound=0.01, limit=0.005, samples=26000, interval=(0.004, 0.016),
        reason="0.46 is 0.01 worse than 0.45 of version 7",
    )  # fmt: skip
    return held, margin


def search(*names: str) -> SliceSearchResult:
    found = tuple(
        WeakSlice(
            slice=name, rows=1200 - number, loss=0.8 - 0.02 * number, elsewhere=0.45, low=0.2 - 0.01 * number,
            p_value=0.0004, gate=f"{{metric: log_loss, margin: 0.01, slice: '{name}'}}",
        )
        for number, name in enumerate(names)
    )  # fmt: skip
    return SliceSearchResult(
        looked_at=431, alpha=0.05, slices=found, reason=f"{len(found)} of 431 slices are worse"
    )


def fairness(*names: str) -> Fairness:
    groups = tuple(
        GroupMetrics(
            group=name, rows=9000 - number, selection_rate=0.2 + 0.02 * number, true_positive_rate=0.6,
            false_positive_rate=None if number == 1 else 0.1, metrics={"log_loss": 0.45, "auc": 0.7},
        )
        for number, name in enumerate(names)
    )  # fmt: skip
    return Fairness(
        column="origin", groups=groups, demographic_parity_difference=0.04, equalized_odds_difference=None,
        left_out=17,
    )  # fmt: skip


def ageing(*, interval: float | None = 61.0) -> Ageing:
    points = tuple(
        AgeingPoint(
            start=UNTIL + timedelta(days=30 * number), end=UNTIL + timedelta(days=30 * (number + 1)),
            rows=27000, value=0.5 + 0.01 * number, low=0.48 + 0.01 * number, high=0.53 + 0.01 * number,
            fresh=None if number == 3 else 0.5 + 0.004 * number,
            gap_low=None if number == 3 else 0.002 * number, gap_high=None if number == 3 else 0.009 * number,
        )
        for number in range(6)
    )  # fmt: skip
    return Ageing(
        metric="log_loss", trained_until=UNTIL, train_rows=148000, points=points, tolerance=0.02,
        interval_days=interval, earliest_days=40.0, latest_days=None, reason="log_loss got worse after 61 days",
    )  # fmt: skip


def evaluation(*, refused: bool = False, name: str = "carrier=UA") -> Evaluation:
    """Everything that a record may hold; ``name`` stands wherever a name comes from the data."""
    bins = tuple(
        CalibrationBin(rows=1700, predicted=at / 20, observed=at / 20 + 0.01, low=at / 20 - 0.01, high=at / 20 + 0.03)
        for at in range(1, 16)
    )  # fmt: skip
    curve = tuple(
        CostPoint(threshold=n / 20, cost=4 - n / 10 if n < 10 else 2 + n / 10) for n in range(1, 20)
    )
    return Evaluation(
        artifact="ab" * 32,
        rows=26000,
        metrics=METRICS,
        champion_version=7,
        champion=RIVAL,
        slices=(
            SliceMetrics(slice=name, rows=5000, metrics=METRICS, champion=RIVAL),
            SliceMetrics(slice="origin=JFK", rows=900, metrics={"brier": 0.2}, champion=None),
        ),
        gates=gates(refused=refused),
        search=search(name, "origin=EWR & hour=[17,20)"),
        fairness=(fairness(name, "JFK"),),
        calibration=Calibration(bins=bins, error=0.013, champion_error=0.02),
        importance=Importance(
            features=(
                FeatureImportance(feature=name, contribution=0.41, gain=0.5),
                FeatureImportance(feature="humid", contribution=0.2, gain=0.3),
            ),
            rows=5000,
        ),
        efficiency=Efficiency(
            size=431000, rounds=120, latency_median_ms=0.61, latency_p99_ms=1.2, rows_per_second=212000.0,
            champion_size=400000, champion_latency_median_ms=0.6,
        ),
        costs=CostResult(
            threshold=0.31, chosen_on="train", cost=3.2, champion=3.4, yes_to_all=9.0, no_to_all=5.0,
            best=CostPoint(threshold=0.5, cost=3.0), curve=curve, currency="USD",
        ),
        ageing=ageing(),
    )  # fmt: skip
