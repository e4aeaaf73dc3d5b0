"""The monitor stage: look once at a model's live traffic, and write down what was seen."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.monitoring.comparison import compare, inconclusive, watched_columns
from airflow_mlops.core.monitoring.policy import decide
from airflow_mlops.core.monitoring.report import DriftReport, MonitoringEntry
from airflow_mlops.core.monitoring.window import Window, live_window, reference_of
from airflow_mlops.core.monitoring.wording import explain
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.base import Endpoint
from airflow_mlops.core.store import Log, Store

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.spec import ModelSpec

__all__ = ["explain", "look_for_drift", "monitoring_log"]


def look_for_drift(
    store: Store,
    endpoint: Endpoint,
    spec: ModelSpec,
    *,
    run: str,
    until: datetime | None = None,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> DriftReport:
    """Compare the champion's captured traffic with the data that it learned from; keep the report and log it.

    :param run: key of the run that looks; a retry after the entry was written returns that entry's report.
    :param until: end of the window, now without one; its length is ``monitoring.window``.
    :param root: where the training data's objects are read from, if the store holds no copy of them.
    :raises SpecError: if ``monitoring.columns`` names a column that requests do not carry.
    :raises IntegrityError: if the stored training data is not what was recorded.
    """
    from airflow_mlops.core.store.results import recall

    log = monitoring_log(store, spec.name)
    entry = next((entry for _, entry in log.entries() if entry.run == run), None)
    if entry is None:
        report = _look(store, endpoint, spec, until or utc_now(), root, progress)
        _, entry = log.append_once(_entry(store, spec, report, run), lambda other: other.run == run)
    return recall(store, entry.report, DriftReport)


def monitoring_log(store: Store, model: str) -> Log[MonitoringEntry]:
    """The log of all looks at a model, oldest first."""
    return Log(store, f"models/{model}/monitoring", MonitoringEntry)


def _look(
    store: Store,
    endpoint: Endpoint,
    spec: ModelSpec,
    until: datetime,
    root: DataRoot | None,
    progress: Progress,
) -> DriftReport:
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.registry.versions import Registry

    since = until - spec.monitoring.window
    champion = DeploymentLog(store, spec.name).champion()
    if champion is None:
        return inconclusive(spec, Window.nothing(since, until), None, "no champion serves")
    dataset = Registry(store, spec.name).get(champion).dataset
    version = load_version(store, dataset.name, dataset.id, root=root, progress=progress)
    columns = watched_columns(spec, version)
    progress(f"reading the captures of {spec.name} v{champion} since {since.isoformat(timespec='seconds')}")
    window = live_window(endpoint.captures(since), columns, champion=champion, since=since, until=until)
    progress(f"reading its training data, {version.name}@{version.id[:12]}")
    return compare(store, spec, columns, window, reference_of(store, version, columns), progress=progress)


def _entry(store: Store, spec: ModelSpec, report: DriftReport, run: str) -> MonitoringEntry:
    from airflow_mlops.core.store.results import keep

    decision = decide(spec, report)
    return MonitoringEntry(
        report=keep(store, report),
        champion=report.champion,
        outcome=report.outcome,
        share=report.share,
        columns=report.drifted,
        retrain=decision.retrain,
        reason=decision.reasons[0],
        since=report.since,
        until=report.until,
        run=run,
        at=utc_now(),
    )
