"""The end of a look: the reports are held against the policy, and the log keeps what was found and decided."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.look import Look, monitoring_log
from airflow_mlops.core.monitoring.performance.report import PerformanceReport
from airflow_mlops.core.monitoring.report import DriftReport
from airflow_mlops.core.monitoring.retraining.facts import facts_of
from airflow_mlops.core.monitoring.retraining.policy import decide
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.results import recall

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec


def conclude_look(
    store: Store,
    spec: ModelSpec,
    *,
    drift: str,
    performance: str,
    run: str,
    now: datetime,
    root: DataRoot | None = None,
    backfill: bool = False,
    progress: Progress = ignore,
) -> Look:
    """Decide about retraining, and write the look down; a run that did so before finds its own entry.

    :param drift, performance: references of the kept reports.
    :param run: key of the run that looks.
    :param now: the time of the decision.
    :param root: the data root, to look for new rows.
    :param backfill: a look at the past asks for nothing.
    :raises StoreError: if a reference is none of such a report.
    """
    log = monitoring_log(store, spec.name)
    known = next((entry for _, entry in log.entries() if entry.run == run), None)
    if known is not None:
        return known
    drifted = recall(store, drift, DriftReport)
    measured = recall(store, performance, PerformanceReport)
    facts = facts_of(
        store, spec, drifted, measured, run=run, now=now, root=root, backfill=backfill, progress=progress
    )
    look = Look(
        run=run,
        since=drifted.since,
        until=drifted.until,
        champion=drifted.champion,
        drift=drift,
        performance=performance,
        outcome=drifted.outcome,
        share=drifted.share,
        columns=drifted.drifted,
        metrics=_metrics(measured),
        judged_on=measured.judged_on,
        failed_gates=tuple(one.gate.name for one in measured.failed),
        decision=decide(spec, facts),
        at=now,
    )
    return log.append_once(look, lambda other: other.run == run)[1]


def _metrics(report: PerformanceReport) -> dict[str, float]:
    """The metrics of the newest period, of the kind that was judged."""
    newest = report.newest
    if newest is None:
        return {}
    found = newest.estimated if report.judged_on == "estimated" else newest.measured or newest.estimated
    return {name: one.value for name, one in found.items()}
