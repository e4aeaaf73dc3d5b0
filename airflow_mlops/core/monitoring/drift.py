"""The drift of one period: its live traffic beside the data that its champion learned from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.monitoring.comparison import compare, inconclusive, watched_columns
from airflow_mlops.core.monitoring.evidently_stats import render_report
from airflow_mlops.core.monitoring.held_out import HeldOut, held_out
from airflow_mlops.core.monitoring.importance import importance_of_columns
from airflow_mlops.core.monitoring.usual import usual_change_of
from airflow_mlops.core.monitoring.window import Reference, Window, answers_needed, live_window, reference_of
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store.blobs import put_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_mlops.core.data.source import DataRoot
    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.monitoring.columns import Watched
    from airflow_mlops.core.monitoring.period import Period
    from airflow_mlops.core.monitoring.report import DriftReport
    from airflow_mlops.core.store import Store
    from airflow_mlops.spec import ModelSpec


def look_for_drift(
    store: Store,
    spec: ModelSpec,
    period: Period,
    *,
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> DriftReport:
    """Compare a period of the table of answers with the data that its champion learned from.

    The same period gives the same report. Where there is drift, Evidently's page of it is kept too.

    :param root: where the training data's objects are read from, if the store holds no copy of them.
    :raises SpecError: if ``monitoring.columns`` names a column that requests do not carry.
    :raises IntegrityError: if the stored training data is not what was recorded.
    """
    from airflow_mlops.core.data.reading import load_version
    from airflow_mlops.core.monitoring.answers.table import AnswersTable

    champion = period.champion
    if champion is None:
        nothing = Window.nothing(period.since, period.until)
        return inconclusive(spec, nothing, None, "no version was champion at the end of the period")
    dataset = Registry(store, spec.name).get(champion).dataset
    version = load_version(store, dataset.name, dataset.id, root=root, progress=progress)
    columns = watched_columns(spec, version)
    table = AnswersTable(store, spec.name)
    answers = table.batches(period.since, period.until, columns=answers_needed(columns))
    window = live_window(answers, columns, champion=champion, since=period.since, until=period.until)
    if window.rows < spec.monitoring.min_rows:
        told = f"{window.rows} live rows, monitoring.min_rows is {spec.monitoring.min_rows}"
        return inconclusive(spec, window, None, told)
    held = held_out(store, spec.name, champion, root=root, progress=progress)
    return _compared(store, spec, version, columns, window, held, progress)


def _compared(
    store: Store,
    spec: ModelSpec,
    version: DatasetVersion,
    columns: Sequence[Watched],
    window: Window,
    held: HeldOut,
    progress: Progress,
) -> DriftReport:
    number = window.champion or 0
    reference = reference_of(store, version, columns, held.scores)
    report = compare(
        spec,
        columns,
        window,
        reference,
        importance=importance_of_columns(store, spec.name, number, held),
        usual=usual_change_of(store, spec, version, columns, number, held),
        progress=progress,
    )
    if report.outcome != "drift":
        return report
    return report.model_copy(update={"report_html": _page(store, columns, window, reference, progress)})


def _page(
    store: Store, columns: Sequence[Watched], window: Window, reference: Reference, progress: Progress
) -> str | None:
    """Hash of Evidently's page; None, and a line, where it can't be had: a page is no reason to fail."""
    kinds = {column.name: column.kind for column in columns if column.name in window.frame}
    try:
        page = render_report(reference.frame, window.frame, kinds)
    except PlatformError as error:
        progress(str(error))
        return None
    return put_bytes(store, page) if page is not None else None
