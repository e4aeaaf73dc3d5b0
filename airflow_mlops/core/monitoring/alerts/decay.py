"""The alert that the champion does worse than it may: one for all gates."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found, judged
from airflow_mlops.core.monitoring.alerts.cost import what_it_costs
from airflow_mlops.core.monitoring.alerts.since import since_when
from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.spec import ModelSpec

#: So many gates are named in the title.
_TOLD = 5


def decay_alert(
    spec: ModelSpec, report: PerformanceReport, decision: RetrainDecision, earlier: Sequence[Look]
) -> Found:
    """The failed performance gates; judged when any gate could be decided."""
    if report.judged_on is None or all(gate.outcome == "inconclusive" for gate in report.gates):
        return Found()
    if not report.failed:
        return judged(None, "decay")
    names = tuple(result.gate.name for result in report.failed)
    newest = report.newest
    began = since_when(
        report.champion,
        earlier,
        lambda look: bool(look.failed_gates),
        lambda look: look.judged_on is not None and not look.failed_gates,
        newest.since if newest else report.since,
    )
    alert = Alert(
        model=spec.name,
        kind="decay",
        severity=alert_severity.of_decay(report.judged_on),
        title=f"{spec.name}: version {report.champion} is worse than allowed in {', '.join(names[:_TOLD])}",
        how_bad=what_it_costs(spec, report),
        since=began,
        details=(*(_gate(one, report.judged_on) for one in report.failed), *_trust(report), decision.said),
        next_step=_after_decay(spec.name, decision),
        cause=f"version {report.champion}",
        about=names,
        at=report.as_of,
    )
    return judged(alert, "decay")


def _gate(result: GateResult, judged_on: str) -> str:
    value = "unknown" if result.value is None else f"{result.value:.3g}"
    return f"{result.gate.name}: {value} ({judged_on}), allowed is {result.gate.limit_text}; {result.reason}"


def _trust(report: PerformanceReport) -> tuple[str, ...]:
    """How far an estimate is to be trusted, by the earlier ones."""
    if report.judged_on != "estimated" or not report.errors:
        return ()
    within = sum(one.within for one in report.errors)
    return (f"Of {len(report.errors)} earlier estimates {within} held when labels came.",)


def _after_decay(model: str, decision: RetrainDecision) -> str:
    if decision.retrain:
        return f"Next: retraining is asked for, follow {model}.release. If it can't wait, trigger {model}.rollback."
    return f"Next: trigger {model}.release to retrain, or {model}.rollback to go back to the champion before."
