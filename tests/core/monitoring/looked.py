"""Reports of a look, as short as a test needs them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.monitoring.look import Look, Reason, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport, Movement
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world

DAY = timedelta(days=1)
START = datetime(2026, 11, 1, tzinfo=timezone.utc)
NOTHING = RetrainDecision(retrain=False, said="no reason to retrain")
ASKED = RetrainDecision(
    retrain=True,
    reasons=(Reason(cause="drift", said="1 of 1 windows drifted", columns=("amount",)),),
    said="retraining is asked for: 1 of 1 windows drifted",
)


def spec(**monitoring: Any) -> ModelSpec:
    return world.spec(monitoring=monitoring)


def column(name: str, said: str = "mean 3 -> 6", **fields: Any) -> ColumnDrift:
    movement = Movement(aspect="values", p_value=0.0, effect=0.4, said=said)
    base: dict[str, Any] = {"kind": "number", "effect": 0.4, "drifted": True, "movements": (movement,)}
    return ColumnDrift(column=name, **{**base, **fields})


def drift(*columns: ColumnDrift, **fields: Any) -> DriftReport:
    base: dict[str, Any] = {
        "model": world.MODEL,
        "champion": 3,
        "dataset": world.DATASET,
        "since": START,
        "until": START + DAY,
        "rows": 8000,
        "outcome": "drift" if any(one.drifted for one in columns) else "stable",
        "reason": "",
        "columns": columns,
        "share": sum(one.importance for one in columns if one.drifted),
        "alpha": 0.05,
    }
    return DriftReport(**{**base, **fields})


def period(labelled: int = 1000, **fields: Any) -> PeriodPerformance:
    base: dict[str, Any] = {"since": START, "until": START + DAY, "champion": 3, "rows": 1000}
    return PeriodPerformance(labelled=labelled, **{**base, **fields})


def performance(*periods: PeriodPerformance, **fields: Any) -> PerformanceReport:
    base: dict[str, Any] = {
        "model": world.MODEL,
        "champion": 3,
        "since": START,
        "until": START + DAY,
        "as_of": START + DAY,
        "periods": periods,
    }
    return PerformanceReport(**{**base, **fields})


def value(number: float, **fields: float) -> Value:
    return Value(value=number, **fields)


def failed_gate(metric: str = "auc", number: float = 0.55) -> GateResult:
    gate = Gate(metric=metric, min=0.6) if metric == "auc" else Gate(metric=metric, max=0.5)
    return GateResult(
        gate=gate, outcome="fail", value=number, bound=number, limit=0.6, reason="the interval lies below"
    )


def look(day: int, outcome: str = "drift", **fields: Any) -> Look:
    """The look at the day that ends ``day`` days after the first period's end."""
    until = START + (day + 1) * DAY
    base: dict[str, Any] = {
        "run": f"orders.monitor/{day}",
        "since": until - DAY,
        "until": until,
        "champion": 3,
        "drift": "f" * 64,
        "performance": None,
        "outcome": outcome,
        "share": 0.0,
        "columns": (),
        "metrics": {},
        "judged_on": None,
        "failed_gates": (),
        "decision": NOTHING,
        "at": until,
    }
    return Look(**{**base, **fields})
