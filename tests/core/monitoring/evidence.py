"""Reports, looks and requests as the policy meets them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_mlops.core.gates import Gate, GateResult
from airflow_mlops.core.monitoring.look import Look, Reason, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport
from airflow_mlops.core.monitoring.retraining.requests import RetrainRequest
from airflow_mlops.core.registry.releases import ReleaseEvent

NOW = datetime(2024, 5, 10, tzinfo=timezone.utc)
DAY = timedelta(days=1)
CHAMPION = 3


def drift(share: float = 0.0, *, ago: int = 0, **fields: Any) -> DriftReport:
    """A report of the day that ended ``ago`` days ago: columns of importance 0.1 drifted up to the share."""
    number = round(share * 10)
    columns = tuple(
        ColumnDrift(column=f"c{place}", kind="number", importance=0.1, effect=0.5, drifted=place < number)
        for place in range(10)
    )
    until = NOW - ago * DAY
    base: dict[str, Any] = {
        "model": "orders",
        "champion": CHAMPION,
        "dataset": None,
        "since": until - DAY,
        "until": until,
        "rows": 1000,
        "outcome": "drift" if number else "stable",
        "reason": "r",
        "columns": columns,
        "share": share,
        "alpha": 0.05,
    }
    return DriftReport(**{**base, **fields})


def look(share: float = 0.0, *, ago: int = 1, **fields: Any) -> Look:
    """An earlier look, at the day that ended ``ago`` days ago."""
    report = drift(share, ago=ago)
    base: dict[str, Any] = {
        "run": f"orders.monitor/{ago}",
        "since": report.since,
        "until": report.until,
        "champion": CHAMPION,
        "drift": "0" * 64,
        "performance": None,
        "outcome": report.outcome,
        "share": report.share,
        "columns": report.drifted,
        "metrics": {},
        "judged_on": None,
        "failed_gates": (),
        "decision": RetrainDecision(retrain=False, said="no"),
        "at": report.until,
    }
    return Look(**{**base, **fields})


def asking(run: str = "orders.monitor/0", **fields: Any) -> Look:
    """A look that asks for retraining."""
    reasons = (Reason(cause="drift", said="much", columns=("c0",)),)
    return look(
        1.0,
        ago=0,
        run=run,
        decision=RetrainDecision(retrain=True, reasons=reasons, said="retrain: much"),
        **fields,
    )


def performance(outcome: str = "fail", judged_on: str = "measured") -> PerformanceReport:
    gate = GateResult(
        gate=Gate(metric="log_loss", max=0.5),
        outcome=outcome,
        value=0.6,
        limit=0.5,
        reason="0.6 is above 0.5",
    )
    return PerformanceReport(
        model="orders",
        champion=CHAMPION,
        since=NOW - DAY,
        until=NOW,
        as_of=NOW,
        gates=(gate,),
        judged_on=judged_on,
    )


def request(at: datetime, champion: int = CHAMPION, cause: str = "drift") -> RetrainRequest:
    return RetrainRequest(
        run=f"orders.monitor/{at.isoformat()}",
        champion=champion,
        reasons=(Reason(cause=cause, said="s"),),
        at=at,
        decision="0" * 64,
    )


def release(began: datetime, ended: datetime | None = None, run: str = "orders.release/1") -> tuple[Any, ...]:
    events = [ReleaseEvent(run=run, event="began", at=began)]
    if ended:
        events.append(ReleaseEvent(run=run, event="refused", at=ended))
    return tuple(events)
