"""Live traffic beside the training data: each watched column by its values and by its missing rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.columns import Watched, watch
from airflow_mlops.core.monitoring.evidently_stats import Statistic, measure
from airflow_mlops.core.monitoring.missing import compare_missing
from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport, MissingRate
from airflow_mlops.core.monitoring.window import Reference, Window
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.spec import ModelSpec

_TINY = 1e-300


def watched_columns(spec: ModelSpec, version: DatasetVersion) -> tuple[Watched, ...]:
    """The raw columns that are watched: those of ``monitoring.columns``, else all that the model sees.

    :param version: the dataset version whose types they have.
    :raises SpecError: if a watched column is none that the model sees: requests need not carry it.
    """
    strangers = [name for name in spec.monitoring.columns if name not in spec.features.columns]
    if strangers:
        raise SpecError(
            "monitoring.columns names columns that requests do not carry",
            given=", ".join(strangers),
            expected=f"some of features.columns: {', '.join(spec.features.columns)}",
        )
    known = {column.name: column for column in version.columns}
    return tuple(
        watch(known[name], categorical=name in spec.features.categorical)
        for name in spec.monitoring.columns or spec.features.columns
        if name in known
    )


def compare(
    store: Store,
    spec: ModelSpec,
    columns: Sequence[Watched],
    window: Window,
    reference: Reference,
    *,
    progress: Progress = ignore,
) -> DriftReport:
    """Compare a window of live traffic with the champion's training data.

    Columns that vanished, are all null or constant are reported and the rest goes on; times are not compared
    (they always move on). Fewer rows than ``monitoring.min_rows`` give an inconclusive report, never drift.
    """
    if window.rows < spec.monitoring.min_rows:
        least = spec.monitoring.min_rows
        return inconclusive(
            spec, window, reference, f"{window.rows} live rows, monitoring.min_rows is {least}"
        )
    notes = {column.name: _why_not(column, reference.frame, window.frame) for column in columns}
    comparable = {column.name: column.kind for column in columns if not notes[column.name]}
    sizes = f"{len(window.frame)} live rows with {len(reference.frame)}"
    progress(f"comparing {len(comparable)} columns of {sizes} rows of training data")
    measured = measure(reference.frame, window.frame, comparable) if comparable else None
    statistics = {one.column: one for one in measured.statistics} if measured else {}
    values = tuple(_values(name, statistics.get(name), note) for name, note in notes.items())
    missing = tuple(_missing(name, reference.frame, window.frame) for name in notes)
    return DriftReport(
        **_head(spec, window, reference),
        **_verdict(spec, columns, _drifted(values) | _drifted(missing)),
        compared_rows=len(window.frame),
        reference_compared_rows=len(reference.frame),
        columns=values,
        missing=missing,
        report_html=put_bytes(store, measured.html) if measured else None,
        report_json=put_bytes(store, measured.json) if measured else None,
    )


def inconclusive(spec: ModelSpec, window: Window, reference: Reference | None, reason: str) -> DriftReport:
    """A report that says why nothing can be said."""
    return DriftReport(**_head(spec, window, reference), outcome="inconclusive", reason=reason)


def strength(method: str, value: float, threshold: float) -> float:
    """How far a statistic is beyond its threshold, comparable between methods; above 1 is drift.

    A distance as a multiple of its threshold; a p-value by its logarithm: p = threshold squared is 2.
    """
    if "p_value" in method:
        return math.log(max(value, _TINY)) / math.log(threshold)
    return value / threshold


def _why_not(column: Watched, reference: pd.DataFrame, current: pd.DataFrame) -> str:
    """Why the values of a column can't be compared; empty when they can."""
    name = column.name
    if column.kind == "time":
        return "a time: not compared, it always moves on"
    if not reference[name].notna().any():
        return "all null in the training data"
    if name not in current.columns:
        return "vanished: no live row carries it"
    if not current[name].notna().any():
        return "all null in the window"
    return ""


def _values(name: str, found: Statistic | None, note: str) -> ColumnDrift:
    if found is None or not math.isfinite(found.value):
        return ColumnDrift(column=name, note=note or "Evidently gave no value")
    return ColumnDrift(
        column=name,
        method=found.method,
        threshold=found.threshold,
        value=found.value,
        strength=strength(found.method, found.value, found.threshold),
        drifted=found.drifted,
    )


def _missing(name: str, reference: pd.DataFrame, current: pd.DataFrame) -> MissingRate:
    now = int(current[name].isna().sum()) if name in current.columns else len(current)
    return compare_missing(name, (int(reference[name].isna().sum()), len(reference)), (now, len(current)))


def _drifted(looked_at: Sequence[ColumnDrift | MissingRate]) -> set[str]:
    return {one.column for one in looked_at if one.drifted}


def _verdict(spec: ModelSpec, columns: Sequence[Watched], moved: set[str]) -> dict[str, Any]:
    """The share of drifted columns and what it means; a time counts only when its missing rate moved."""
    watched = [column for column in columns if column.kind != "time" or column.name in moved]
    share = len(moved) / len(watched) if watched else 0.0
    limit = spec.monitoring.drift_share
    return {
        "outcome": "drift" if moved and share >= limit else "stable",
        "reason": (
            f"{len(moved)} of {len(watched)} columns drifted ({share:.0%}); {limit:.0%} asks for retraining"
        ),
        "share": share,
    }


def _head(spec: ModelSpec, window: Window, reference: Reference | None) -> dict[str, Any]:
    """What every report says, whatever was found."""
    return {
        "model": spec.name,
        "champion": window.champion,
        "dataset": reference.ref if reference else None,
        "since": window.since,
        "until": window.until,
        "rows": window.rows,
        "reference_rows": reference.version.rows if reference else 0,
        "share_limit": spec.monitoring.drift_share,
        "set_aside": window.set_aside,
        "created_at": utc_now(),
    }
