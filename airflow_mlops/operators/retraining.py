"""The end of a look: decide, write it down, and ask for retraining."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from airflow_mlops.core.record import utc_now
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.model import reference
from airflow_mlops.operators.period import run_type

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.monitoring.look import Look


class DecideOperator(MlopsOperator):
    """Hold the retrain policy against the reports of a look, and write the look down.

    Returns ``{"run", "since", "until", "champion", "outcome", "share", "columns", "judged_on", "measured", "estimated",
    "baseline", "rows", "labelled", "failed_gates", "retrain", "reasons", "said"}``.

    :param drift: what :class:`DriftOperator` returned. (templated)
    :param performance: what :class:`PerformanceOperator` returned. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "drift", "performance")
    reads = ("monitoring",)

    def __init__(self, *, drift: Any, performance: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.drift = drift
        self.performance = performance

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Decide."""
        from airflow_mlops.core.lineage.watching import decide_lineage
        from airflow_mlops.core.monitoring.deciding import conclude_look

        look = conclude_look(
            work.store,
            work.spec,
            drift=reference(self.drift, "drift"),
            performance=reference(self.performance, "performance"),
            run=work.run,
            now=utc_now(),
            root=work.platform.data(),
            backfill=run_type(context) == "backfill",
            progress=self.progress,
        )
        self.declare(lambda: decide_lineage(work.spec.name, look, work.store.uri))
        self.progress(f"{work.spec.name}: {look.decision.said}")
        plain = look.model_dump(
            mode="json", include={"run", "since", "until", "champion", "outcome", "share"}
        )
        told = {name: value for name, value in self.performance.items() if name != "ref"}
        return {
            **plain,
            "columns": list(look.columns),
            **told,
            "retrain": look.decision.retrain,
            "reasons": [one.said for one in look.decision.reasons],
            "said": look.decision.said,
        }


class RequestRetrainingOperator(MlopsOperator):
    """Ask for retraining by an event of the model's retrain asset; skipped when this run's look does not ask.

    The event carries the reasons; the release DAG is scheduled on the asset.
    """

    reads = ("monitoring",)

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Emit the event, or skip: a success without a reason would start a release."""
        from airflow_mlops.core.lineage.watching import request_lineage
        from airflow_mlops.core.monitoring.look import monitoring_log
        from airflow_mlops.core.monitoring.retraining.requests import request_retraining

        entries = monitoring_log(work.store, work.spec.name).entries()
        look = next((entry for _, entry in entries if entry.run == work.run), None)
        if look is None:
            raise AirflowSkipException(f"this run has not looked at {work.spec.name}")
        asked = request_retraining(work.store, work.spec.name, look, at=utc_now())
        self.declare(lambda: request_lineage(work.spec.name, look, work.store.uri, asked=asked))
        if not asked:
            raise AirflowSkipException(look.decision.said)
        extra = _request(work.spec.name, look)
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra = extra
        self.progress(f"{work.spec.name}: retraining is asked for: {look.decision.said}")
        return extra


def _request(model: str, look: Look) -> dict[str, Any]:
    """What the event of the retrain asset says."""
    columns = [name for one in look.decision.reasons for name in one.columns]
    return {
        "model": model,
        "champion": look.champion,
        "reasons": [one.said for one in look.decision.reasons],
        "columns": list(dict.fromkeys(columns)),
        "drift": look.drift,
        "performance": look.performance,
    }
