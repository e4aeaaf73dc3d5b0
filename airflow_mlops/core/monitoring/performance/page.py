"""The report of live performance: one HTML page without scripts that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.evaluation.metrics import known_metrics
from airflow_mlops.core.monitoring.performance.chart import metric_over_time
from airflow_mlops.core.monitoring.performance.gates import limit_of
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.core.wording import minute

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec

_WORDS = {"pass": "passed", "fail": "failed", "inconclusive": "undecided"}
_NOTHING = "\N{EM DASH}"
_MOST_ROWS = 200
#: Metrics beside each other in the table of slices.
_METRICS = 3


def render(report: PerformanceReport, spec: ModelSpec, distrusted: Mapping[str, str]) -> str:
    """Draw the report; what it does not have is absent. The same report gives the same text.

    :param distrusted: metrics whose estimates are not to be trusted, with the reason.
    """
    found = {
        "Gates": _gates(report),
        "Metrics": _metrics(report, spec, distrusted),
        "Slices": _slices(report, spec),
        "Earlier estimates": _errors(report),
        "Traffic": _traffic(report),
        "Inputs": _inputs(report),
        "Labels": _labels(report, spec),
    }
    sections = {heading: part for heading, part in found.items() if part}
    who = report.model if report.champion is None else f"{report.model}, version {report.champion}"
    title = f"Performance of {who}, {minute(report.since)} to {minute(report.until)}"
    head = html.tag(
        "header", html.tag("h1", title), _verdict(report), html.tag("p", _known(report), class_="note")
    )
    body = [html.section(heading, part) for heading, part in sections.items()]
    return html.page(title, head, html.contents(sections), html.tag("main", html.join(body)))


def _known(report: PerformanceReport) -> str:
    return f"With the labels that were known at {minute(report.as_of)}. Times are UTC."


def _verdict(report: PerformanceReport) -> Markup:
    failed = report.failed
    if failed:
        look, heading = "fail", f"{len(failed)} of {len(report.gates)} gates failed."
        told = "; ".join(f"{one.gate.name}: {one.reason}" for one in failed)
    elif report.gates and all(one.passed for one in report.gates):
        look, heading, told = (
            "pass",
            "All gates passed.",
            f"Judged on {report.judged_on} metrics; {report.reason}.",
        )
    else:
        look, heading, told = "", "Nothing failed.", f"{report.reason}."
    return html.tag("p", html.join([html.tag("strong", heading), told]), class_=f"verdict {look}".strip())


def _gates(report: PerformanceReport) -> Markup | None:
    if not report.gates:
        return None
    rows = [
        (
            one.gate.name,
            html.cell(_WORDS[one.outcome], one.outcome),
            one.gate.limit_text,
            one.reason,
            html.cell(_number(one.value), "n"),
            html.cell(_number(one.limit), "n"),
        )
        for one in report.gates
    ]
    head = ("gate", "outcome", "asked", "why", "value", "limit")
    caption = "Gates: failed only if the whole 95 % interval is beyond the limit"
    return html.table(caption, head, rows, numbers=2)


def _metrics(report: PerformanceReport, spec: ModelSpec, distrusted: Mapping[str, str]) -> Markup | None:
    whole = [one for one in report.periods if one.slice is None]
    parts = []
    for name in known_metrics(report.objective or "binary"):
        if not any(name in one.measured or name in one.estimated for one in whole):
            continue
        base = report.baseline.get(name)
        gates = [one for one in spec.monitoring.performance.gates if one.metric == name and one.slice is None]
        limits = [limit for one in gates if (limit := limit_of(one, base)) is not None]
        caption = f"Estimates are not to be trusted: {distrusted[name]}." if name in distrusted else ""
        parts += [html.tag("h3", name), html.figure(metric_over_time(name, whole, base, limits), caption)]
    return html.join([*parts, _table(whole, report)]) if parts else None


def _table(whole: list[PeriodPerformance], report: PerformanceReport) -> Markup:
    names = [
        name
        for name in known_metrics(report.objective or "binary")
        if any(name in one.measured or name in one.estimated for one in whole)
    ]
    rows = [
        (
            minute(one.since), f"v{one.champion}", f"{one.rows:,}", f"{one.maturity:.0%}",
            *(_both(one, name) for name in names),
        )
        for one in whole[-_MOST_ROWS:]
    ]  # fmt: skip
    caption = "All rows of each period: measured, and below it estimated in brackets"
    return html.table(
        caption, ("from", "champion", "rows", "with labels", *names), rows, numbers=len(names) + 2
    )


def _slices(report: PerformanceReport, spec: ModelSpec) -> Markup | None:
    sliced = [one for one in report.periods if one.slice is not None]
    if not sliced:
        return None
    wanted = [one.metric for one in spec.monitoring.performance.gates]
    names = list(dict.fromkeys([*wanted, *known_metrics(report.objective or "binary")]))[:_METRICS]
    newest = list(reversed(sliced))[:_MOST_ROWS]
    newest.sort(key=lambda one: (-one.until.timestamp(), one.slice or ""))
    rows = [
        (
            one.slice or "", minute(one.since), f"{one.rows:,}", f"{one.maturity:.0%}",
            *(_both(one, name) for name in names),
        )
        for one in newest
    ]  # fmt: skip
    more = len(sliced) - len(newest)
    caption = "Slices, newest period first: measured, and estimated in brackets"
    caption += f" ({more:,} more are in the record)" if more else ""
    return html.table(caption, ("slice", "from", "rows", "with labels", *names), rows, numbers=len(names) + 2)


def _errors(report: PerformanceReport) -> Markup | None:
    if not report.errors:
        return None
    held = sum(one.within for one in report.errors)
    shown = report.errors[-_MOST_ROWS:]
    rows = [
        (
            minute(one.since),
            one.metric,
            html.cell("within" if one.within else "outside", "pass" if one.within else "fail"),
            html.cell(_number(one.estimated), "n"),
            html.cell(_number(one.measured), "n"),
            html.cell(_number(one.estimated - one.measured), "n"),
        )
        for one in reversed(shown)
    ]
    caption = f"Of {len(report.errors):,} estimates {held:,} held when labels came: 95 % should"
    return html.table(
        caption, ("from", "metric", "interval", "estimated", "measured", "error"), rows, numbers=3
    )


def _traffic(report: PerformanceReport) -> Markup | None:
    if not report.traffic:
        return None
    rows = []
    for one in reversed(report.traffic[-_MOST_ROWS:]):
        took = one.latency_ms or (None, None, None)
        share = f"{one.failed / one.requests:.2%}" if one.requests else _NOTHING
        numbers = [f"{one.requests:,}", f"{one.failed:,}", share, *map(_number, took)]
        rows.append((minute(one.since), one.variant, one.role, *(html.cell(each, "n") for each in numbers)))
    head = ("from", "variant", "role", "requests", "failed", "failure rate", "p50 ms", "p95 ms", "p99 ms")
    return html.table(
        "Requests to each variant; fallback is the rule that answers instead", head, rows, numbers=6
    )


def _inputs(report: PerformanceReport) -> Markup | None:
    if not report.inputs:
        return None
    rows = [
        (
            one.name,
            one.place,
            _NOTHING if one.newest is None else minute(one.newest),
            html.cell("stale" if one.stale else "fresh", "fail" if one.stale else "pass"),
        )
        for one in report.inputs
    ]
    return html.table("The newest data of each input", ("input", "place", "newest", "state"), rows)


def _labels(report: PerformanceReport, spec: ModelSpec) -> Markup:
    delay = spec.monitoring.performance.label_delay
    overdue = (
        f"{report.overdue:,}" if delay is not None else "no delay is set (monitoring.performance.label_delay)"
    )
    return html.listing(
        [
            ("rows whose label is overdue", overdue),
            ("labels for answers that nobody captured", f"{report.unknown:,}"),
            ("labels whose time can't be right", f"{report.skewed:,}"),
        ]
    )


def _both(period: PeriodPerformance, name: str) -> Markup:
    measured, estimated = period.measured.get(name), period.estimated.get(name)
    parts = [_with_interval(measured)] if measured is not None else []
    parts += [f"[{_with_interval(estimated)}]"] if estimated is not None else []
    return html.cell(html.join(parts) if parts else _NOTHING, "n")


def _with_interval(value: Value) -> str:
    if value.low is None or value.high is None:
        return _number(value.value)
    return f"{_number(value.value)} ({_number(value.low)} to {_number(value.high)})"


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
