"""One look at a model: take in what was captured, compare, measure, decide, and ask for retraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.record import utc_now
from airflow_mlops.links.addresses import model_page, stored_page
from airflow_mlops.links.pages import DriftLink, ModelLink, PerformanceLink
from airflow_mlops.operators.base import MlopsOperator, Work
from airflow_mlops.operators.period import SCHEDULED, end_of_period, labels_until, run_type

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_mlops.core.monitoring.performance.report import PerformanceReport, Value
    from airflow_mlops.core.monitoring.period import Period

#: Seconds. A quick return from a deferral can lose against a late message of the executor.
_LEAST_WAIT = 10.0


class TakeInOperator(MlopsOperator):
    """Join what was captured since the last look, and the labels that came, to the table of answers.

    Returns the period that the run looks at, ``{"since", "until", "as_of", "champion"}``, and what was taken in
    (``taken``). A scheduled look whose period has just ended waits, deferred, until its last requests have come to the
    store.

    :param until: end of the period, ISO 8601; None takes the run's own time. (templated)
    :param window: length of the period, e.g. ``6h``; None takes the spec's. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "until", "window")
    reads = ("captures", "ground_truth")

    def __init__(self, *, until: Any = None, window: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.until = until
        self.window = window

    def prepare(self, context: Context) -> Work:
        """The work, with the spec's window or the given one."""
        work = super().prepare(context)
        if not self.window:
            return work
        return replace(work, spec=work.spec.with_overrides({"monitoring": {"window": self.window}}))

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Take in."""
        from airflow_mlops.core.lineage.watching import take_in_lineage
        from airflow_mlops.core.monitoring.answers.table import AnswersTable, settled_at
        from airflow_mlops.core.monitoring.period import period_of
        from airflow_mlops.core.store.results import keep

        until = end_of_period(context, self.until)
        endpoint = work.platform.endpoint(work.spec.name, work.store)
        if run_type(context) in SCHEDULED:
            self._await(settled_at(until, endpoint), context)
        table = AnswersTable(work.store, work.spec.name)
        taken = table.take_in(endpoint, until=max(until, utc_now()), progress=self.progress)
        self.declare(lambda: take_in_lineage(work.spec.name, taken, work.store.uri))
        window = work.spec.monitoring.window
        period = period_of(work.store, work.spec.name, until=until, window=window)
        return {
            **period.model_dump(mode="json"),
            "as_of": labels_until(context, until).isoformat(),
            "taken": keep(work.store, taken),
        }

    def _await(self, moment: datetime, context: Context) -> None:
        """Wait, deferred, until the last requests of the period have come to the store."""
        wait = (moment - utc_now()).total_seconds()
        if wait <= 0:
            return
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

        self.progress(f"the last requests of the period come to the store in {wait:.0f} s")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=max(wait, _LEAST_WAIT))), method_name="proceed")

    def proceed(self, context: Context, event: Any = None) -> Any:
        """Go on, now that they have come."""
        return self.execute(context)


class PeriodOperator(MlopsOperator):
    """Base of the tasks about the period that :class:`TakeInOperator` returned.

    :param period: what it returned. (templated)
    """

    template_fields = (*MlopsOperator.template_fields, "period")
    reads = ("answers",)

    def __init__(self, *, period: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.period = period

    @property
    def looked_at(self) -> Period:
        """The period."""
        from airflow_mlops.core.monitoring.period import Period

        return Period.model_validate(self.period)

    def prepare(self, context: Context) -> Work:
        """The work, with the window that the period has."""
        work = super().prepare(context)
        seconds = (self.looked_at.until - self.looked_at.since).total_seconds()
        return replace(work, spec=work.spec.with_overrides({"monitoring": {"window": f"{seconds:f}s"}}))


class DriftOperator(PeriodOperator):
    """Compare a period's live traffic with the data that its champion learned from; keep the report.

    Returns ``{"ref", "outcome", "share", "columns"}``.

    :param period: what :class:`TakeInOperator` returned. (templated)
    """

    operator_extra_links = (ModelLink(), DriftLink())

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Look for drift."""
        from airflow_mlops.core.lineage.watching import drift_lineage
        from airflow_mlops.core.monitoring.drift import look_for_drift
        from airflow_mlops.core.monitoring.wording import explain
        from airflow_mlops.core.store.results import keep

        spec = work.spec
        root = work.platform.data()
        report = look_for_drift(work.store, spec, self.looked_at, root=root, progress=self.progress)
        limit = spec.monitoring.retrain.drift_share
        self.declare(lambda: drift_lineage(spec.name, report, limit, work.store.uri))
        self.progress(explain(report))
        context["ti"].xcom_push(key=DriftLink.key, value=model_page(spec.name, "drift"))
        return {
            "ref": keep(work.store, report),
            "outcome": report.outcome,
            "share": report.share,
            "columns": list(report.drifted),
        }


class PerformanceOperator(PeriodOperator):
    """Measure how well the champion did where labels have come, and estimate it where they have not.

    Returns ``{"ref", "judged_on", "measured", "estimated", "baseline", "rows", "labelled", "failed_gates"}``; the
    metrics are those of the newest period.

    :param period: what :class:`TakeInOperator` returned. (templated)
    """

    operator_extra_links = (ModelLink(), PerformanceLink())

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Measure and estimate."""
        from airflow_mlops.core.lineage.watching import performance_lineage
        from airflow_mlops.core.monitoring.answers.records import TakenIn
        from airflow_mlops.core.monitoring.answers.table import AnswersTable
        from airflow_mlops.core.monitoring.performance.looking import look_at_performance
        from airflow_mlops.core.monitoring.performance.wording import explain
        from airflow_mlops.core.store.results import keep, recall

        period = self.looked_at
        report = look_at_performance(
            work.store,
            work.spec,
            AnswersTable(work.store, work.spec.name),
            champion=period.champion,
            since=period.since,
            until=period.until,
            as_of=datetime.fromisoformat(self.period["as_of"]),
            root=work.platform.data(),
            taken=recall(work.store, self.period["taken"], TakenIn),
            progress=self.progress,
        )
        self.declare(lambda: performance_lineage(work.spec.name, report, work.store.uri))
        self.progress(explain(report))
        ref = keep(work.store, report)
        page = stored_page(work.spec.name, "performance", report.page, of=ref) if report.page else None
        address = page or model_page(work.spec.name, "performance")
        context["ti"].xcom_push(key=PerformanceLink.key, value=address)
        return {"ref": ref, **_told(report)}


def _told(report: PerformanceReport) -> dict[str, Any]:
    """The newest period in small."""
    newest = report.newest
    return {
        "judged_on": report.judged_on,
        "measured": _values(newest.measured) if newest else {},
        "estimated": _values(newest.estimated) if newest else {},
        "baseline": report.baseline,
        "rows": newest.rows if newest else 0,
        "labelled": newest.labelled if newest else 0,
        "failed_gates": [one.gate.name for one in report.failed],
    }


def _values(metrics: Mapping[str, Value]) -> dict[str, Any]:
    return {name: one.model_dump(mode="json") for name, one in metrics.items()}
