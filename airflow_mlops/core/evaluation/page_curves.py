"""Pictures of the report with two scales: calibration, costs by threshold, ageing."""

from __future__ import annotations

from datetime import timedelta

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.axes import number_text
from airflow_mlops.core.drawing.chart import Legend, Plot, Tick, around, dot, polyline, whisker
from airflow_mlops.core.evaluation.analysis import Ageing, AgeingPoint, Calibration, CostResult
from airflow_mlops.core.gates import HIGHER_IS_BETTER
from airflow_mlops.core.wording import day

_DAY = timedelta(days=1)


def calibration(result: Calibration) -> str:
    """The share of positives against the mean score in each bin, with 95 % intervals and the diagonal."""
    ends = around(
        [value for one in result.bins for value in (one.predicted, one.observed, one.low, one.high)],
        least=0.0,
    )
    plot = Plot(ends, ends, height=380, width=560)
    parts = plot.axes("mean score", plot.x_ticks(), plot.y_ticks())
    corners = [(plot.x(value), plot.y(value)) for value in ends]
    parts.append(polyline(corners, "ink", dashes="5 4"))
    for one in result.bins:
        x = plot.x(one.predicted)
        parts.append(whisker(x, plot.y(one.low), x, plot.y(one.high)))
        parts.append(dot("disc", x, plot.y(one.observed), "edge"))
    words = "; ".join(
        f"score {one.predicted:.3f}: observed {one.observed:.3f} ({one.low:.3f} to {one.high:.3f})"
        for one in result.bins
    )
    legend: Legend = (
        ("disc", "edge", "share of positives"),
        ("band", "edge", "95 % interval"),
        ("line", "ink", "perfect"),
    )
    return plot.document("Calibration", words, parts, legend)


def costs(result: CostResult) -> str:
    """The mean cost per row by threshold, with the chosen threshold and the cheapest one."""
    curve = sorted(result.curve, key=lambda one: one.threshold)
    values = [one.cost for one in curve] + [result.cost, result.champion, result.best.cost]
    thresholds = [one.threshold for one in curve] + [result.threshold, result.best.threshold]
    plot = Plot(around(thresholds), around(values))
    unit = f" ({result.currency})" if result.currency else ""
    parts = plot.axes("threshold from which the answer is yes", plot.x_ticks(), plot.y_ticks())
    parts.append(polyline([(plot.x(one.threshold), plot.y(one.cost)) for one in curve], "edge"))
    parts.append(plot.level(x=result.threshold))
    if result.champion is not None:
        parts.append(dot("cross", plot.x(result.threshold), plot.y(result.champion), "fail"))
    parts.append(dot("diamond", plot.x(result.best.threshold), plot.y(result.best.cost), "ink"))
    parts.append(dot("disc", plot.x(result.threshold), plot.y(result.cost), "edge"))
    legend: Legend = (
        ("disc", "edge", "at the chosen threshold"),
        ("diamond", "ink", "cheapest on these rows"),
    )
    if result.champion is not None:
        legend = (*legend, ("cross", "fail", "champion"))
    words = (
        f"Mean cost per row{unit}: {result.cost:.4g} at the chosen threshold {result.threshold:.3g}, at the least "
        f"{result.best.cost:.4g} at {result.best.threshold:.3g}."
    )
    return plot.document(f"Mean cost per row{unit}", words, parts, legend)


def ageing(result: Ageing) -> str:
    """The metric in each later period: of the aged model with its interval, and of a fresh one."""
    plot = Plot(
        (0.0, _age(result, result.points[-1], end=True)),
        around([value for one in result.points for value in (one.value, one.low, one.high, one.fresh)]),
    )
    parts = plot.axes("days since the end of the training", plot.x_ticks(), plot.y_ticks())
    for one in result.points:
        x = plot.x(_middle(result, one))
        parts.append(whisker(x - 6, plot.y(one.low), x - 6, plot.y(one.high)))
        if one.fresh is not None:
            parts.append(dot("diamond", x + 6, plot.y(one.fresh), "ink"))
        parts.append(dot("disc", x - 6, plot.y(one.value), "edge"))
    words = "; ".join(
        f"{day(one.start)}: {one.value:.4g} ({one.low:.4g} to {one.high:.4g})"
        + ("" if one.fresh is None else f", fresh {one.fresh:.4g}")
        for one in result.points
    )
    legend: Legend = (
        ("disc", "edge", "aged model"),
        ("band", "edge", "95 % interval"),
        ("diamond", "ink", "fresh model"),
    )
    return plot.document(f"{result.metric} by period", words, parts, legend)


def ageing_gap(result: Ageing) -> str:
    """By which share the aged model is worse than a fresh one, with intervals, against the tolerance."""
    gaps = [(one, gap) for one in result.points if (gap := relative_gap(one, result.metric)) is not None]
    values = [value for _, gap in gaps for value in gap if value is not None]
    plot = Plot(
        (0.0, _age(result, result.points[-1], end=True)), around([*values, 0.0, result.tolerance]), height=200
    )
    parts = plot.axes("days since the end of the training", plot.x_ticks(), _percents(plot))
    parts += [svg.line(plot.left, plot.y(0), plot.x(plot.x_range[1]), plot.y(0), svg.stroke("muted", 1.5))]
    parts.append(plot.level(y=result.tolerance))
    if result.interval_days is not None:
        parts.append(plot.level(x=result.interval_days, dashes="2 3"))
    for one, (value, low, high) in gaps:
        x = plot.x(_age(result, one))
        if low is not None and high is not None:
            parts.append(whisker(x, plot.y(low), x, plot.y(high)))
        parts.append(dot("disc", x, plot.y(value), "edge"))
    words = "; ".join(f"after {_age(result, one):.0f} days {gap[0]:.1%}" for one, gap in gaps)
    legend: Legend = (
        ("disc", "edge", "worse than fresh by"),
        ("band", "edge", "95 % interval"),
        ("line", "ink", "tolerance"),
    )
    return plot.document("Ageing", words, parts, legend)


def relative_gap(point: AgeingPoint, metric: str) -> tuple[float, float | None, float | None] | None:
    """By which share of the fresh model's metric the aged one is worse, with bounds; None without a fresh one."""
    if not point.fresh:
        return None
    sign = -1.0 if metric in HIGHER_IS_BETTER else 1.0
    unit = abs(point.fresh)
    low = None if point.gap_low is None else point.gap_low / unit
    high = None if point.gap_high is None else point.gap_high / unit
    return sign * (point.value - point.fresh) / unit + 0.0, low, high


def _percents(plot: Plot) -> list[Tick]:
    return [
        (value, f"{number_text(value * 100, 0 if abs(value * 100 - round(value * 100)) < 1e-9 else 1)} %")
        for value, _ in plot.y_ticks()
    ]


def _age(result: Ageing, point: AgeingPoint, *, end: bool = False) -> float:
    """Days from the end of the training to the start of a period, or to its end."""
    return ((point.end if end else point.start) - result.trained_until) / _DAY


def _middle(result: Ageing, point: AgeingPoint) -> float:
    return (_age(result, point) + _age(result, point, end=True)) / 2
