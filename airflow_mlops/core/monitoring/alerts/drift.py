"""The alert that live traffic has changed: one for all columns."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found, judged
from airflow_mlops.core.monitoring.alerts.cost import what_it_costs
from airflow_mlops.core.monitoring.alerts.since import since_when
from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.wording import findings
from airflow_mlops.core.wording import moment, some
from airflow_mlops.spec import ModelSpec

#: So many columns are told one by one.
_TOLD = 5


def drift_alert(
    spec: ModelSpec,
    report: DriftReport,
    performance: PerformanceReport | None,
    decision: RetrainDecision,
    earlier: Sequence[Look],
) -> Found:
    """The drifted columns, the most important first, and what the change costs; judged unless it is inconclusive."""
    if report.outcome == "inconclusive":
        return Found()
    if report.outcome != "drift":
        return judged(None, "drift")
    first = report.since
    began = since_when(report.champion, earlier, lambda look: look.outcome == "drift", _no_drift, first)
    alert = Alert(
        model=spec.name,
        kind="drift",
        severity=alert_severity.of_drift(spec, report),
        title=_drift_title(spec.name, report),
        how_bad=f"{_weight(report)} {what_it_costs(spec, performance)}",
        since=began,
        details=(*_columns(report), *_together(report), _window(report), decision.said),
        next_step=_after_drift(spec.name, report, decision),
        cause=f"version {report.champion}",
        about=report.drifted or ("all columns together",),
        at=report.until,
    )
    return judged(alert, "drift")


def _drift_title(model: str, report: DriftReport) -> str:
    names = report.drifted
    if not names:
        return f"{model}: live traffic differs from the training data, though no column does alone"
    return f"{model}: {len(names)} of {len(report.columns)} columns drifted: {some(names, 2)}"


def _weight(report: DriftReport) -> str:
    if not report.drifted:
        return "A classifier tells live rows from training rows."
    return f"The drifted columns carry {report.share:.0%} of what moves the model's answers."


def _columns(report: DriftReport) -> tuple[str, ...]:
    """The drifted columns, reference -> current in words, the most important first."""
    told, rest = findings(report)[:_TOLD], report.drifted[_TOLD:]
    return (*told, f"and {len(rest)} more: {', '.join(rest)}") if rest else told


def _together(report: DriftReport) -> tuple[str, ...]:
    found = report.multivariate
    if found is None or not found.drifted:
        return ()
    by = f", most by {', '.join(found.columns[:_TOLD])}" if found.columns else ""
    return (
        f"All columns together: a classifier tells live rows from training rows, AUC {found.auc:.2f}{by}",
    )


def _window(report: DriftReport) -> str:
    return f"{report.rows:,} rows from {moment(report.since)} to {moment(report.until)}, version {report.champion}"


def _after_drift(model: str, report: DriftReport, decision: RetrainDecision) -> str:
    if decision.retrain:
        return f"Next: nothing by hand, retraining is asked for; follow {model}.release."
    where = report.drifted[0] if report.drifted else "the columns"
    return (
        f"Next: find out at its source what changed in {where}. A mistake: mend it there. A real change: trigger "
        f"{model}.release to retrain."
    )


def _no_drift(look: Look) -> bool:
    return look.outcome == "stable"
