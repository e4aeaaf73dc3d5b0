"""What a look at a model found that people should know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from airflow_mlops.core.monitoring.alerts import severity as alert_severity
from airflow_mlops.core.monitoring.alerts.alert import Alert, Found
from airflow_mlops.core.monitoring.alerts.decay import decay_alert
from airflow_mlops.core.monitoring.alerts.drift import drift_alert
from airflow_mlops.core.monitoring.alerts.inputs import missing_labels_alert, stale_data_alert
from airflow_mlops.core.monitoring.look import Look, RetrainDecision
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.spec import ModelSpec

#: Limits that only a person can lift; a cooldown ends by itself.
_HELD_BACK = {
    "budget": "raise monitoring.retrain.budget, or trigger {model}.release by hand",
    "loop": "collect labels that the model's own answers did not shape, then trigger {model}.release by hand",
}


def alerts_of_look(
    spec: ModelSpec,
    drift: DriftReport,
    performance: PerformanceReport | None,
    decision: RetrainDecision,
    link: str | None,
    *,
    at: datetime,
    looks: Iterable[Look] = (),
) -> Found:
    """All alerts of one look, at most one of a kind, and which kinds it could judge.

    A look at the past, behind which there is a later one already, finds nothing and judges nothing: its findings are
    in its reports, and nobody has to act on them now.

    :param link: where to look.
    :param at: when the look was made.
    :param looks: the log of looks, which says since when something is so.
    """
    earlier = sorted((one for one in looks if one.until != drift.until), key=lambda one: one.until)
    if drift.champion is None or (earlier and earlier[-1].until > drift.until):
        return Found()
    found = Found(judged=frozenset({"retraining"}))
    found |= drift_alert(spec, drift, performance, decision, earlier)
    found |= _retraining(spec, drift, decision)
    if performance is not None:
        found |= decay_alert(spec, performance, decision, earlier)
        found |= missing_labels_alert(spec, performance)
        found |= stale_data_alert(spec, performance)
    stamped = tuple(one.model_copy(update={"at": at, "link": link}) for one in found.alerts)
    return Found(stamped, found.judged)


def _retraining(spec: ModelSpec, report: DriftReport, decision: RetrainDecision) -> Found:
    reasons = tuple(one.said for one in decision.reasons)
    common = {"model": spec.name, "kind": "retraining", "how_bad": decision.said, "at": report.until}
    if decision.retrain:
        alert = Alert(
            **common,
            severity=alert_severity.of_retraining(held_back=False),
            title=f"{spec.name}: retraining is asked for",
            details=reasons,
            next_step=f"Next: nothing by hand, {spec.name}.release starts by itself.",
            cause=f"asked by the look until {report.until.isoformat()}",
            lasts=False,
        )
        return Found((alert,))
    if decision.reasons and decision.restraint in _HELD_BACK:
        way = _HELD_BACK[decision.restraint].format(model=spec.name)
        alert = Alert(
            **common,
            severity=alert_severity.of_retraining(held_back=True),
            title=f"{spec.name}: retraining is needed, and held back ({decision.restraint})",
            details=reasons,
            next_step=f"Next: {way}.",
            cause=f"held back by {decision.restraint}",
        )
        return Found((alert,))
    return Found()
