"""The sections of the report that an analysis fills: each is a table, what it means, and a picture."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.evaluation import page_curves, page_rows
from airflow_mlops.core.evaluation.analysis import (
    Ageing,
    Calibration,
    CostResult,
    Efficiency,
    Fairness,
    Importance,
    SliceSearchResult,
)
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.wording import day, days

_MOST_ROWS = 50


def weak_slices(search: SliceSearchResult) -> Markup:
    """The slices where the model is worst."""
    told = html.tag("p", search.reason)
    if not search.slices:
        return told
    picture = html.figure(
        page_rows.weak_slices(search.slices),
        f"Mean loss in a slice minus the mean loss elsewhere. The bounds hold for all {search.looked_at:,} "
        f"slices that were looked at, together, with confidence {1 - search.alpha:.0%}.",
    )
    rows = [
        (
            one.slice, f"{one.rows:,}", number(one.loss), number(one.elsewhere), number(one.expected),
            number(one.low), number(one.p_value),
        )
        for one in search.slices
    ]  # fmt: skip
    head = ("slice", "rows", "loss", "elsewhere", "loss its scores expect", "at least worse by", "p")
    caption = "Weak slices, the worst first; p is corrected for the search"
    return html.join([told, picture, html.table(caption, head, rows, numbers=6), *_as_gates(search)])


def _as_gates(search: SliceSearchResult) -> list[Markup]:
    lines = Markup("\n".join(html.text(one.gate) for one in search.slices))
    code = html.tag("pre", html.tag("code", lines), tabindex="0")
    return [html.tag("p", "Each can become a gate: lines for evaluation.gates of the spec."), code]


def fairness(columns: Iterable[Fairness]) -> Markup:
    """How far apart the groups of each column are."""
    return html.join(part for one in columns for part in _groups(one))


def _groups(one: Fairness) -> list[Markup]:
    apart = (
        f"Demographic parity difference {number(one.demographic_parity_difference)}, "
        f"equalized odds difference {number(one.equalized_odds_difference)}."
    )
    small = f" {one.left_out:,} rows of groups that are too small are left out." if one.left_out else ""
    parts = [html.tag("h3", one.column), html.tag("p", apart + small)]
    if not one.groups:
        return parts
    names = list(dict.fromkeys(name for group in one.groups for name in group.metrics))[:2]
    rows = [
        (
            group.group, f"{group.rows:,}", number(group.selection_rate), number(group.true_positive_rate),
            number(group.false_positive_rate), *(number(group.metrics.get(name)) for name in names),
        )
        for group in one.groups[:_MOST_ROWS]
    ]  # fmt: skip
    head = (one.column, "rows", "answered yes", "yes among positives", "yes among negatives", *names)
    caption = f"Groups of {one.column}{_more(len(one.groups), _MOST_ROWS)}"
    return [
        *parts,
        html.figure(page_rows.groups(one), "How often each group is answered yes, and how often rightly."),
        html.table(caption, head, rows, numbers=len(head) - 1),
    ]


def calibration(result: Calibration) -> Markup:
    """Predicted against observed rates."""
    told = f"Expected calibration error {number(result.error)}"
    if result.champion_error is not None:
        told += f", the champion's {number(result.champion_error)} on the same rows"
    rows = [
        (
            number(one.predicted),
            number(one.observed),
            f"{number(one.low)} to {number(one.high)}",
            f"{one.rows:,}",
        )
        for one in result.bins
    ]
    head = ("mean score", "share of positives", "95 % interval", "rows")
    parts: list[object] = [html.tag("p", f"{told}.")]
    if result.bins:
        caption = (
            "Bins of equal mass; a bin off the diagonal by more than its interval is wrong beyond chance."
        )
        parts += [
            html.figure(page_curves.calibration(result), caption),
            html.table("Bins", head, rows, numbers=3),
        ]
    return html.join(parts)


def importance(result: Importance) -> Markup:
    """What the model looks at."""
    caption = f"Mean absolute SHAP contribution over {result.rows:,} rows, in the margin of the model."
    rows = [
        (one.feature, number(one.contribution), f"{one.gain:.1%}") for one in result.features[:_MOST_ROWS]
    ]
    whole = html.table(
        f"Features, the largest contribution first{_more(len(result.features), _MOST_ROWS)}",
        ("feature", "contribution", "share of the gain"),
        rows,
        numbers=2,
    )
    return html.join(
        [html.figure(page_rows.importance(result.features), caption), whole] if rows else [whole]
    )


def efficiency(result: Efficiency) -> Markup:
    """What an answer costs in bytes and time."""
    rows = [
        ("size of the model, bytes", f"{result.size:,}", _whole(result.champion_size)),
        ("boosting rounds", f"{result.rounds:,}", ""),
        ("median latency, ms", number(result.latency_median_ms), number(result.champion_latency_median_ms)),
        ("99 % quantile of latency, ms", number(result.latency_p99_ms), ""),
        ("rows per second, in one batch", f"{result.rows_per_second:,.0f}", ""),
    ]
    caption = "One core, requests of one row, features included"
    return html.table(caption, ("what", "this model", "champion"), rows, numbers=2)


def costs(result: CostResult) -> Markup:
    """What the answers are worth."""
    unit = f" in {result.currency}" if result.currency else ""
    rows = [
        ("this model", number(result.threshold), number(result.cost)),
        *(
            [("champion", number(result.threshold), number(result.champion))]
            if result.champion is not None
            else []
        ),
        ("this model at its cheapest on these rows", number(result.best.threshold), number(result.best.cost)),
        ("yes to all", "", number(result.yes_to_all)),
        ("no to all", "", number(result.no_to_all)),
    ]
    chosen = "given by the spec" if result.chosen_on == "spec" else f"chosen on the {result.chosen_on} part"
    parts: list[object] = [html.tag("p", f"The threshold {number(result.threshold)} is {chosen}.")]
    if result.curve:
        caption = "A cost is above 0, a gain below. The dashed line is the threshold in use."
        parts.append(html.figure(page_curves.costs(result), caption))
    return html.join(
        [*parts, html.table(f"Mean cost per row{unit}", ("who", "threshold", "cost"), rows, numbers=2)]
    )


def ageing(result: Ageing) -> Markup:
    """How the model gets worse with time."""
    parts: list[object] = [html.tag("p", f"{result.reason}.")]
    if not result.points:
        return html.join(parts)
    parts.append(
        html.tag(
            "p",
            f"Trained on the {result.train_rows:,} rows until {day(result.trained_until)} and scored in each "
            "later period. The fresh model is trained on all rows before the period. A period that is hard for both "
            "shows no ageing; what ages is the gap.",
            class_="note",
        )
    )
    parts.append(html.figure(page_curves.ageing(result), f"{result.metric} in each period."))
    parts.append(
        html.figure(
            page_curves.ageing_gap(result),
            f"By which share {result.metric} is worse than a fresh model's; the dashed line is the tolerance of "
            f"{result.tolerance:.3g}" + (", the dotted one the interval." if result.interval_days else "."),
        )
    )
    return html.join([*parts, _periods(result)])


def _periods(result: Ageing) -> Markup:
    rows = []
    for one in result.points:
        gap = page_curves.relative_gap(one, result.metric)
        between = f"{gap[1]:.1%} to {gap[2]:.1%}" if gap and gap[1] is not None and gap[2] is not None else ""
        rows.append(
            (
                days(one.start, one.end), f"{one.rows:,}", number(one.value),
                f"{number(one.low)} to {number(one.high)}", number(one.fresh),
                f"{gap[0]:.1%}" if gap else number(None), between,
            )
        )  # fmt: skip
    head = (
        "period",
        "rows",
        result.metric,
        "95 % interval",
        "fresh model",
        "worse by",
        "95 % interval of worse-by",
    )
    return html.table("Periods after the training", head, rows, numbers=6)


def _whole(value: int | None) -> str:
    return number(None) if value is None else f"{value:,}"


def _more(count: int, shown: int) -> str:
    return f" (the first {shown} of {count:,}; all are in the record)" if count > shown else ""
