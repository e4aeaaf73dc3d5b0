"""How well the champions did on live requests: the periods of all reports of the newest looks as one series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.monitoring.look import Look
from airflow_mlops.core.monitoring.performance.chart import metric_over_time
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.core.monitoring.performance.wording import value_text
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.wording import line
from airflow_mlops.ui.model_parts.drawn import Drawing, drawn

#: Looks that are read, periods that are drawn, and metrics that are drawn.
LOOKS: Final = 30
_PERIODS, _METRICS = 60, 3


@dataclass(frozen=True)
class PerformanceDigest:
    """What the series needs of a report.

    :param limits: of the gates on all rows, by metric.
    """

    periods: tuple[PeriodPerformance, ...]
    baseline: dict[str, float]
    limits: dict[str, tuple[float, ...]]
    asked: tuple[str, ...]
    reason: str
    page: str | None


@dataclass(frozen=True)
class MetricCurve:
    """A metric over the periods.

    :param baseline: the value of the newest champion's own evaluation.
    :param limits: of the gates, in the metric's unit.
    """

    name: str
    baseline: float | None
    limits: tuple[float, ...]
    drawing: Drawing | None


@dataclass(frozen=True)
class PeriodRow:
    """A period in words: of each metric what was measured and what was estimated; empty where there is none."""

    since: datetime
    until: datetime
    champion: int
    rows: int
    labelled: float
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Performance:
    """The series, the periods newest first.

    :param reason: what the newest report says of itself.
    :param pages: hashes of the stored pages by those of the reports.
    """

    curves: tuple[MetricCurve, ...]
    metrics: tuple[str, ...]
    rows: tuple[PeriodRow, ...]
    reason: str
    pages: dict[str, str | None]


def digest(report: PerformanceReport) -> PerformanceDigest:
    """What the series needs of a report."""
    limits: dict[str, tuple[float, ...]] = {}
    for one in report.gates:
        limit = _limit(one.gate, report.baseline.get(one.gate.metric))
        if one.gate.slice is None and limit is not None:
            limits[one.gate.metric] = (*limits.get(one.gate.metric, ()), limit)
    return PerformanceDigest(
        periods=tuple(one for one in report.periods if one.slice is None),
        baseline=dict(report.baseline),
        limits=limits,
        asked=tuple(dict.fromkeys(one.gate.metric for one in report.gates)),
        reason=line(report.reason, 400),
        page=report.page,
    )


def performance(records: ModelRecords, looks: Sequence[Look]) -> Performance | None:
    """The series of the newest looks; None where no report of theirs can be read."""
    refs = [look.performance for look in looks[-LOOKS:] if look.performance]
    found = records.blobs(refs, PerformanceReport, "performance report", digest)
    digests = [found[ref] for ref in refs if ref in found]
    if not digests:
        return None
    periods = _newest_word(digests)[-_PERIODS:]
    newest = digests[-1]
    metrics = _metrics(newest.asked, periods)
    return Performance(
        curves=tuple(_curve(name, periods, newest) for name in metrics[:_METRICS]),
        metrics=metrics,
        rows=tuple(_row(one, metrics) for one in reversed(periods)),
        reason=newest.reason,
        pages={ref: one.page for ref, one in found.items()},
    )


def _limit(gate: Gate, base: float | None) -> float | None:
    from airflow_mlops.core.monitoring.performance.gates import limit_of

    return limit_of(gate, base)


def _newest_word(digests: Iterable[PerformanceDigest]) -> list[PeriodPerformance]:
    """The periods in their order; of one that several looks told of, the newest word: labels come late."""
    told: dict[tuple[datetime, datetime, int], PeriodPerformance] = {}
    for one in digests:
        told.update({(period.since, period.until, period.champion): period for period in one.periods})
    return sorted(told.values(), key=lambda one: (one.since, one.until, one.champion))


def _metrics(asked: Sequence[str], periods: Sequence[PeriodPerformance]) -> tuple[str, ...]:
    """Names of the metrics that are known, those that gates ask about first."""
    known = dict.fromkeys(name for one in periods for name in (*one.measured, *one.estimated))
    return tuple(dict.fromkeys([*(name for name in asked if name in known), *known]))


def _curve(name: str, periods: Sequence[PeriodPerformance], newest: PerformanceDigest) -> MetricCurve:
    baseline, limits = newest.baseline.get(name), newest.limits.get(name, ())
    drawing = drawn(partial(metric_over_time, name, periods, baseline, limits), f"{name} by period")
    return MetricCurve(name, baseline, limits, drawing)


def _row(period: PeriodPerformance, metrics: Sequence[str]) -> PeriodRow:
    return PeriodRow(
        since=period.since,
        until=period.until,
        champion=period.champion,
        rows=period.rows,
        labelled=period.maturity,
        values=tuple(
            (_text(period.measured.get(name)), _text(period.estimated.get(name))) for name in metrics
        ),
    )


def _text(value: Value | None) -> str:
    return "" if value is None else value_text(value)
