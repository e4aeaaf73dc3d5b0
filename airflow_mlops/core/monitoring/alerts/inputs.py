"""The alerts that something does not come: labels, or new data."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found, judged
from airflow_mlops.core.monitoring.performance.report import InputFreshness, PerformanceReport
from airflow_mlops.core.wording import moment, span
from airflow_mlops.spec import ModelSpec

#: So many periods or inputs are told one by one.
_TOLD = 5


def missing_labels_alert(spec: ModelSpec, report: PerformanceReport) -> Found:
    """Labels that are overdue; judged when the spec says how long they may take."""
    delay = spec.monitoring.performance.label_delay
    if delay is None:
        return Found()
    if not report.overdue:
        return judged(None, "missing labels")
    late = [one for one in report.periods if one.slice is None and one.until <= report.as_of - delay]
    lacking = [one for one in late if one.labelled < one.rows]
    alert = Alert(
        model=spec.name,
        kind="missing labels",
        severity=alert_severity.ALWAYS["missing labels"],
        title=f"{spec.name}: labels are missing",
        how_bad=f"{report.overdue:,} answers have had no label for longer than {span(delay)}.",
        since=lacking[0].since if lacking else None,
        details=(
            *(
                f"{moment(one.since)} to {moment(one.until)}: {one.labelled:,} of {one.rows:,} rows have labels"
                for one in lacking[-_TOLD:]
            ),
            *((f"{report.unknown:,} labels name answers that nobody captured",) if report.unknown else ()),
        ),
        next_step="Next: look at the job that hands in the ground truth. Without labels performance is estimated at "
        "best.",
        cause="labels",
        at=report.as_of,
    )
    return judged(alert, "missing labels")


def stale_data_alert(spec: ModelSpec, report: PerformanceReport) -> Found:
    """Inputs that are too old, in one alert; judged when the spec says how old they may be."""
    limit = spec.monitoring.freshness
    if limit is None or not report.inputs:
        return Found()
    stale = [one for one in report.inputs if one.stale]
    if not stale:
        return judged(None, "stale data")
    names = tuple(one.name for one in stale)
    times = [one.newest for one in stale if one.newest is not None]
    alert = Alert(
        model=spec.name,
        kind="stale data",
        severity=alert_severity.ALWAYS["stale data"],
        title=f"{spec.name}: no new data in {', '.join(names[:_TOLD])}",
        how_bad=f"{len(stale)} of {len(report.inputs)} inputs are older than {span(limit)}.",
        since=min(times) + limit if times else None,
        details=tuple(_input(one, report.until) for one in stale),
        next_step=f"Next: look at what writes {stale[0].place}. A release by {spec.name}.release would learn from old "
        "data.",
        cause="inputs",
        about=names,
        at=report.as_of,
    )
    return judged(alert, "stale data")


def _input(one: InputFreshness, until: datetime) -> str:
    if one.newest is None:
        return f"{one.name} ({one.place}): nothing is there"
    return f"{one.name} ({one.place}): newest {moment(one.newest)}, {span(until - one.newest)} old"
