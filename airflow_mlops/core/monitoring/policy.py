"""From evidence to a request: does this report ask for retraining?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.report import DriftReport, RetrainDecision
from airflow_mlops.core.monitoring.wording import findings

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def decide(spec: ModelSpec, report: DriftReport) -> RetrainDecision:
    """Whether to ask for retraining: when the share of drifted columns reaches ``monitoring.drift_share``.

    A pure function of its arguments. An inconclusive report never asks.
    """
    if report.outcome == "inconclusive":
        return RetrainDecision(retrain=False, reasons=(f"inconclusive: {report.reason}",))
    limit = spec.monitoring.drift_share
    asks = bool(report.drifted) and report.share >= limit
    verb = "reaches" if asks else "is below"
    reason = f"drifted share {report.share:.0%} {verb} monitoring.drift_share {limit:.0%}"
    return RetrainDecision(retrain=asks, reasons=(reason, *findings(report)), columns=report.drifted)
