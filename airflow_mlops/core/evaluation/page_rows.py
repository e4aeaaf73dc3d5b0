"""Pictures of the report with a row for each name: weak slices, groups, features."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.drawing import svg
from airflow_mlops.core.drawing.chart import Legend, Plot, Shape, around, dot, whisker
from airflow_mlops.core.evaluation.analysis import Fairness, FeatureImportance, GroupMetrics, WeakSlice

#: Rows of a picture; the rest stands in the table.
MOST = 20
_RATES: tuple[tuple[str, Shape, str, str], ...] = (
    ("selection_rate", "disc", "edge", "answered yes"),
    ("true_positive_rate", "diamond", "ink", "yes among the positives"),
    ("false_positive_rate", "cross", "fail", "yes among the negatives"),
)


def weak_slices(slices: Sequence[WeakSlice]) -> str:
    """By how much the loss of each slice is above that of all other rows, with its lower bound."""
    shown = slices[:MOST]
    excess = [one.loss - one.elsewhere for one in shown]
    plot = Plot.of_rows(len(shown), around([*excess, *(one.low for one in shown)], least=0.0))
    parts = plot.names([one.slice for one in shown], "loss above that of all other rows")
    parts.append(plot.level(x=0.0))
    for number, (one, value) in enumerate(zip(shown, excess, strict=True)):
        x, low, y = plot.x(value), plot.x(one.low), plot.y(number)
        parts += [whisker(low, y, x, y), svg.line(low, y - 5, low, y + 5, svg.stroke("edge", 2.2))]
        parts.append(dot("disc", x, y, "edge"))
    words = "; ".join(
        f"{one.slice}: {value:.4g} above, at least {one.low:.4g}"
        for one, value in zip(shown, excess, strict=True)
    )
    legend: Legend = (
        ("disc", "edge", "in the slice"),
        ("band", "edge", "down to its lower bound"),
        ("line", "ink", "as elsewhere"),
    )
    return plot.document("Weak slices", words, parts, legend)


def groups(fairness: Fairness) -> str:
    """How often each group of a column is answered yes, among all, the positives and the negatives."""
    shown = fairness.groups[:MOST]
    plot = Plot.of_rows(
        len(shown), around([_rate(one, name) for one in shown for name, *_ in _RATES], least=0.0)
    )
    parts = plot.names([one.group for one in shown], "share of rows")
    for number, one in enumerate(shown):
        for name, shape, role, _ in _RATES:
            value = _rate(one, name)
            if value is not None:
                parts.append(dot(shape, plot.x(value), plot.y(number), role))
    words = "; ".join(
        f"{one.group}: " + ", ".join(f"{text} {_words(_rate(one, name))}" for name, _, _, text in _RATES)
        for one in shown
    )
    legend: Legend = [(shape, role, text) for _, shape, role, text in _RATES]
    return plot.document(f"Groups of {fairness.column}", words, parts, legend)


def importance(features: Sequence[FeatureImportance]) -> str:
    """The mean absolute contribution of each feature as a bar."""
    shown = features[:MOST]
    plot = Plot.of_rows(len(shown), around([one.contribution for one in shown], least=0.0))
    parts = plot.names([one.feature for one in shown], "mean absolute contribution to the margin")
    for number, one in enumerate(shown):
        width = max(plot.x(one.contribution) - plot.x(0.0), 1.0)
        parts.append(svg.rect(plot.x(0.0), plot.y(number) - 7, width, 14, svg.fill("edge")))
    words = "; ".join(f"{one.feature}: {one.contribution:.4g}" for one in shown)
    return plot.document("Feature importance", words, parts)


def _rate(group: GroupMetrics, name: str) -> float | None:
    value: float | None = getattr(group, name)
    return value


def _words(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
