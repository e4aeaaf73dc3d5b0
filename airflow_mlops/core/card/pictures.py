"""Pictures of a card: a metric per slice with intervals, and the version's life in the traffic."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from airflow_mlops.core.card.blocks import Block, Picture, Words
from airflow_mlops.core.card.places import Place
from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import Legend, Plot, Tick, around, dot, whisker
from airflow_mlops.core.evaluation.report import Evaluation, SliceMetrics
from airflow_mlops.core.wording import line, moment

#: Rows of a picture; the table beside it holds more.
_MOST = 24
_ROLES = ("shadow", "canary", "champion")
_STEPS = (
    *(timedelta(seconds=one) for one in (1, 10, 30, 60, 300, 900, 1800, 3600, 10800, 21600, 43200)),
    *(timedelta(days=one) for one in (1, 2, 7, 14, 30, 91, 182, 365, 730, 1825, 3650)),
)
_TICKS = 6
_LEAST_WIDTH = 3.0


def drawn(draw: Callable[[], str], caption: str) -> Block:
    """A picture; where the numbers are such that none can be drawn, a note."""
    try:
        return Picture(draw(), caption)
    except (ArithmeticError, ValueError):
        return Words(f"Not drawn, since some numbers are beyond any scale: {caption}", note=True)


def slice_metric(found: Evaluation) -> str | None:
    """The metric that slices are drawn by: the first gate's that slices have, else any; None without slices."""
    present = [name for name in found.metrics if any(name in one.metrics for one in found.slices)]
    wanted = [one.gate.metric for one in found.gates if one.gate.metric in present]
    return next(iter([*wanted, *present]), None)


def slices(found: Evaluation, metric: str) -> str:
    """A row for each slice: the metric with its interval, the champion's, and the value over all rows."""
    whole = SliceMetrics(
        slice="all rows",
        rows=found.rows,
        metrics=found.metrics,
        champion=found.champion,
        intervals=found.intervals,
    )
    shown = [one for one in (whole, *found.slices) if math.isfinite(one.metrics.get(metric, math.nan))][
        :_MOST
    ]
    if not shown:
        raise ValueError(f"no slice has a finite {metric}")
    ends = [end for one in shown for end in one.intervals.get(metric, ())]
    rivals = [(one.champion or {}).get(metric) for one in shown]
    plot = Plot.of_rows(len(shown), around([*(one.metrics.get(metric) for one in shown), *ends, *rivals]))
    parts = plot.names([line(one.slice, 60) for one in shown], metric)
    if math.isfinite(found.metrics.get(metric, math.nan)):
        parts.append(plot.level(x=found.metrics[metric]))
    for number, (one, rival) in enumerate(zip(shown, rivals, strict=True)):
        y = plot.y(number)
        if metric in one.intervals:
            low, high = (plot.x(end) for end in one.intervals[metric])
            parts.append(whisker(low, y, high, y))
        if rival is not None and math.isfinite(rival):
            parts.append(dot("diamond", plot.x(rival), y, "ink"))
        parts.append(dot("disc", plot.x(one.metrics[metric]), y, "edge"))
    words = "; ".join(f"{one.slice}: {one.metrics[metric]:.4g}" for one in shown)
    legend: Legend = (
        ("disc", "edge", "this version"),
        ("band", "edge", "95 % interval"),
        ("line", "ink", "all rows"),
    )
    if any(one is not None for one in rivals):
        legend = (*legend, ("diamond", "ink", "champion"))
    return plot.document(f"{metric} by slice", words, parts, legend)


def timeline(places: Sequence[Place], marks: Sequence[tuple[datetime, str]], until: datetime) -> str:
    """When the version was where in the traffic.

    :param marks: times at which something went wrong, and what.
    :param until: where the picture ends: what is known until then.
    """
    shown = list(places[-200:])
    first = min([one.since for one in shown])
    last = max([until, *(one.until or until for one in shown)])
    length = max((last - first).total_seconds(), 1.0)
    rows = [role for role in _ROLES if any(one.role == role for one in shown)]
    plot = Plot.of_rows(len(rows), (-0.01 * length, 1.02 * length))
    parts = plot.axes("time (UTC)", dates(first, length), [(number, "") for number in range(len(rows))])
    for number, role in enumerate(rows):
        parts.append(svg.text(plot.left - 10, plot.y(number) + 4, role, svg.fill("ink"), anchor="end"))
    for one in shown:
        left = plot.x((one.since - first).total_seconds())
        right = plot.x(((one.until or last) - first).total_seconds())
        role = "pass" if one.role == "champion" else "edge"
        y = plot.y(rows.index(one.role)) - 7
        parts.append(svg.rect(left, y, max(right - left, _LEAST_WIDTH), 14, svg.fill(role)))
    seen = [(at, words) for at, words in marks if first <= at <= last][:_MOST]
    for at, _ in seen:
        x = plot.x((at - first).total_seconds())
        parts.append(dot("cross", x, plot.y(len(rows) - 1), "fail"))
    words = "; ".join(f"{one.role} from {moment(one.since)} to {moment(one.until or last)}" for one in shown)
    legend: Legend = (
        ("bar", "edge", "shadow or canary"),
        ("bar", "pass", "champion"),
    )
    if seen:
        legend = (*legend, ("cross", "fail", "alert or rollback"))
    return plot.document("In the traffic", words, parts, legend)


def dates(first: datetime, length: float) -> list[Tick]:
    """Times of day or dates at a round step."""
    step = next((one for one in _STEPS if length / one.total_seconds() <= _TICKS), _STEPS[-1])
    seconds = step.total_seconds()
    start = first.timestamp()
    begin = (start // seconds + 1) * seconds - start
    form = "%Y-%m-%d" if seconds >= 86400 else "%m-%d %H:%M" if seconds >= 60 else "%H:%M:%S"
    ticks: list[Tick] = []
    place = begin
    while place <= length and len(ticks) <= 4 * _TICKS:
        ticks.append((place, (first + timedelta(seconds=place)).strftime(form)))
        place += seconds
    return ticks or [(0.0, first.strftime(form))]
