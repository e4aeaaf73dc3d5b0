"""Look for drift, and ask for retraining."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.operators.base import MlopsOperator, Work

if TYPE_CHECKING:
    from airflow.sdk import Context


class DriftOperator(MlopsOperator):
    """Compare the captured traffic with the data that the champion learned from; keep the report.

    Returns ``{"ref", "outcome", "retrain", "reasons", "columns"}``.

    :param window: how much of the newest traffic to look at, e.g. ``6h``; None takes the spec's. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "window")

    def __init__(self, *, window: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.window = window

    def prepare(self, context: Context) -> Work:
        """The work, with the spec's window or the given one."""
        work = super().prepare(context)
        if not self.window:
            return work
        return replace(work, spec=work.spec.with_overrides({"monitoring": {"window": self.window}}))

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look for drift and hold the policy against it."""
        from airflow_mlops.core.lineage.stages import monitor_lineage
        from airflow_mlops.core.monitoring.drift import explain, look_for_drift
        from airflow_mlops.core.monitoring.policy import decide
        from airflow_mlops.core.store.results import keep

        report = look_for_drift(
            work.store,
            work.platform.endpoint(work.spec.name),
            work.spec,
            run=work.run,
            root=work.platform.data(),
            progress=self.progress,
        )
        decision = decide(work.spec, report)
        self.declare(lambda: monitor_lineage(work.spec.name, report, work.store.uri))
        self.progress(explain(report))
        return {
            "ref": keep(work.store, report),
            "outcome": report.outcome,
            "retrain": decision.retrain,
            "reasons": list(decision.reasons),
            "columns": list(decision.columns),
        }


class RequestRetrainingOperator(MlopsOperator):
    """Ask for retraining by an event of the model's retrain asset; skipped when there is no reason to.

    The event carries the reasons; the release DAG is scheduled on the asset.

    :param drift: what :class:`DriftOperator` returned. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "drift")

    def __init__(self, *, drift: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drift = drift

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Emit the event, or skip: a success without a reason would start a release."""
        drift = self.drift if isinstance(self.drift, dict) else {}
        if not drift.get("retrain"):
            raise AirflowSkipException("; ".join(drift.get("reasons") or ["no reason to retrain"]))
        extra = {
            "model": work.spec.name,
            "reasons": drift["reasons"],
            "columns": drift["columns"],
            "report": drift["ref"],
        }
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = extra
        self.progress(f"{work.spec.name}: retraining is asked for: {'; '.join(drift['reasons'])}")
        return extra
