"""A metric over the periods: measured with its interval, estimated, the baseline and the limits of its gates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import Legend, Plot, Tick, around, dot, polyline, whisker
from airflow_mlops.core.monitoring.performance.report import PeriodPerformance, Value
from airflow_mlops.core.monitoring.performance.wording import value_text
from airflow_mlops.core.wording import minute

#: Pixels between two ticks: a date and a time fit there.
_APART = 95.0
_ASIDE = 5  # pixels between what was measured and what was estimated of one period


def metric_over_time(
    metric: str, periods: Sequence[PeriodPerformance], baseline: float | None, limits: Sequence[float]
) -> str:
    """The picture.

    :param periods: all rows of each, oldest first; at least one of them has the metric.
    """
    values = [
        one for period in periods for one in (period.measured.get(metric), period.estimated.get(metric))
    ]
    ends = [end for one in values if one is not None for end in (one.value, one.low, one.high)]
    middles = [_middle(one) for one in periods]
    plot = Plot(_across(periods), around([*ends, baseline, *limits]), height=200)
    parts = plot.axes("period (UTC)", _ticks(plot, periods), plot.y_ticks())
    if baseline is not None:
        right = plot.x(plot.x_range[1])
        parts.append(svg.line(plot.left, plot.y(baseline), right, plot.y(baseline), svg.stroke("muted", 1.5)))
    parts += [_limit(plot, limit) for limit in limits]
    parts += _line(
        plot, middles, [one.estimated.get(metric) for one in periods], "ink", _ASIDE, estimated=True
    )
    parts += _line(plot, middles, [one.measured.get(metric) for one in periods], "edge", -_ASIDE)
    return plot.document(f"{metric} by period", _words(metric, periods), parts, _legend(baseline, limits))


def _legend(baseline: float | None, limits: Sequence[float]) -> Legend:
    legend: Legend = (
        ("disc", "edge", "measured"),
        ("band", "edge", "95 % interval"),
        ("diamond", "ink", "estimated"),
    )
    if baseline is not None:
        legend = (*legend, ("bar", "muted", "its evaluation"))
    return (*legend, ("line", "fail", "limit of a gate")) if limits else legend


def _limit(plot: Plot, limit: float) -> str:
    look = f'{svg.stroke("fail", 1.5)} stroke-dasharray="2 3"'
    return svg.line(plot.left, plot.y(limit), plot.x(plot.x_range[1]), plot.y(limit), look)


def _line(
    plot: Plot,
    middles: Sequence[float],
    values: Sequence[Value | None],
    role: str,
    aside: float,
    *,
    estimated: bool = False,
) -> list[str]:
    known = [(plot.x(at) + aside, one) for at, one in zip(middles, values, strict=True) if one is not None]
    corners = [(x, plot.y(one.value)) for x, one in known]
    parts = [polyline(corners, role, dashes="5 4" if estimated else "")] if len(corners) > 1 else []
    for x, one in known:
        if one.low is not None and one.high is not None:
            parts.append(whisker(x, plot.y(one.low), x, plot.y(one.high), role))
        parts.append(dot("diamond" if estimated else "disc", x, plot.y(one.value), role))
    return parts


def _words(metric: str, periods: Sequence[PeriodPerformance]) -> str:
    told = []
    for one in periods:
        for kind, values in (("measured", one.measured), ("estimated", one.estimated)):
            if metric in values:
                told.append(f"{minute(one.since)}: {kind} {value_text(values[metric])}")
    return "; ".join(told)


def _across(periods: Sequence[PeriodPerformance]) -> tuple[float, float]:
    return _seconds(periods[0].since), _seconds(periods[-1].until)


def _ticks(plot: Plot, periods: Sequence[PeriodPerformance]) -> list[Tick]:
    """The beginnings of some periods, so many as can be read: periods may come in bursts."""
    short = any((one.since.hour, one.since.minute) != (0, 0) for one in periods)
    form = "%d %b %H:%M" if short else "%d %b %Y"
    ticks: list[Tick] = []
    for one in periods:
        at = _seconds(one.since)
        if not ticks or plot.x(at) - plot.x(ticks[-1][0]) >= _APART:
            ticks.append((at, f"{one.since:{form}}"))
    return ticks


def _middle(period: PeriodPerformance) -> float:
    return (_seconds(period.since) + _seconds(period.until)) / 2


def _seconds(at: datetime) -> float:
    return at.timestamp()
