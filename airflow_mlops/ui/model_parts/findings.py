"""What else people should know of a model: weak slices, odd labels, alerts, and who asked for retraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from airflow_mlops.core.card import pictures
from airflow_mlops.core.evaluation import page_curves
from airflow_mlops.core.evaluation.analysis import Ageing, WeakSlice
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.labels.record import LabelAudit
from airflow_mlops.core.monitoring.alerts.log import AlertEntry, open_alerts
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.wording import line
from airflow_mlops.ui.model_parts.drawn import Drawing, drawn
from airflow_mlops.ui.model_parts.versions import Metric

_SLICES, _WEAK, _ALERTS, _REQUESTS = 40, 20, 20, 20
_LONGEST: Final = 400


@dataclass(frozen=True)
class SliceRow:
    """A slice of the champion's held-out rows with one metric."""

    name: str
    rows: int
    metric: Metric


@dataclass(frozen=True)
class AgeingView:
    """How the champion is expected to age. :param reason: in words."""

    reason: str
    found: Ageing
    value: Drawing | None
    gap: Drawing | None


@dataclass(frozen=True)
class ChampionDigest:
    """What the page tells of the champion out of its evaluation.

    :param metric: the one that slices are told by, None without slices.
    :param weak: slices that the search found, the worst first; ``search``: in words what was searched.
    :param audit: reference of the audit of its labels, None where they were not audited.
    """

    metric: str | None
    slices: tuple[SliceRow, ...]
    drawing: Drawing | None
    weak: tuple[WeakSlice, ...]
    search: str
    ageing: AgeingView | None
    audit: str | None
    page: str | None


@dataclass(frozen=True)
class AlertRow:
    """A message that was told."""

    at: datetime
    kind: str
    severity: str
    state: str
    title: str
    how_bad: str
    next_step: str
    delivered: bool


@dataclass(frozen=True)
class Request:
    """Somebody, or something, asked for retraining."""

    at: datetime
    champion: int
    run: str
    reasons: tuple[str, ...]


def digest(record: ModelVersion) -> ChampionDigest:
    """What the page tells of a champion."""
    found = record.evaluation
    metric = pictures.slice_metric(found)
    search = found.search
    return ChampionDigest(
        metric=metric,
        slices=tuple(_slices(found, metric)) if metric else (),
        drawing=drawn(lambda: pictures.slices(found, metric), f"{metric} by slice") if metric else None,
        weak=search.slices[:_WEAK] if search else (),
        search=line(search.reason, _LONGEST) if search else "",
        ageing=_ageing(found.ageing) if found.ageing else None,
        audit=record.audit,
        page=found.page,
    )


def champion_digest(records: ModelRecords, champion: int | None) -> ChampionDigest | None:
    """What the page tells of the champion; None without one, or where its record can't be read."""
    return None if champion is None else records.digests([champion], digest).get(champion)


def label_audit(records: ModelRecords, found: ChampionDigest | None) -> LabelAudit | None:
    """The audit of the labels that the champion learned from."""
    if found is None or found.audit is None:
        return None
    return records.blobs([found.audit], LabelAudit, "audit of the labels", _itself).get(found.audit)


def alerts(entries: Sequence[AlertEntry]) -> tuple[tuple[AlertRow, ...], tuple[AlertRow, ...]]:
    """The alerts that last, and the newest messages, newest first."""
    lasting = tuple(_alert(one) for one in open_alerts(entries))
    return lasting, tuple(_alert(one) for one in reversed(entries[-_ALERTS:]))


def retraining_requests(records: ModelRecords) -> tuple[Request, ...]:
    """The newest requests for retraining, newest first."""
    return tuple(
        Request(
            at=one.at,
            champion=one.champion,
            run=one.run,
            reasons=tuple(line(f"{reason.cause}: {reason.said}", _LONGEST) for reason in one.reasons),
        )
        for one in reversed(records.requests[-_REQUESTS:])
    )


def _itself(audit: LabelAudit) -> LabelAudit:
    return audit


def _slices(found: Evaluation, metric: str) -> list[SliceRow]:
    known = [one for one in found.slices if metric in one.metrics]
    return [SliceRow(line(one.slice, 120), one.rows, _slice_metric(one, metric)) for one in known[:_SLICES]]


def _slice_metric(one: SliceMetrics, metric: str) -> Metric:
    low, high = one.intervals.get(metric, (None, None))
    rival = (one.champion or {}).get(metric)
    value = one.metrics[metric]
    return Metric(metric, value, low, high, None if rival is None else value - rival)


def _ageing(found: Ageing) -> AgeingView:
    points = bool(found.points)
    return AgeingView(
        reason=line(found.reason, _LONGEST),
        found=found,
        value=drawn(lambda: page_curves.ageing(found), f"{found.metric} by age") if points else None,
        gap=drawn(lambda: page_curves.ageing_gap(found), "Ageing") if points else None,
    )


def _alert(entry: AlertEntry) -> AlertRow:
    alert = entry.alert
    return AlertRow(
        at=entry.at,
        kind=alert.kind,
        severity=alert.severity,
        state={"new": "new", "worse": "worse", "lasting": "lasts", "resolved": "resolved"}[alert.state],
        title=alert.title,
        how_bad=alert.how_bad,
        next_step=alert.next_step,
        delivered=entry.delivered,
    )
