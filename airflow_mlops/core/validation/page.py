"""The data docs of one validation: an HTML page that needs nothing from outside, kept with the result."""

from __future__ import annotations

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.drawing import html
from airflow_mlops.core.drawing.html import Markup
from airflow_mlops.core.validation.result import ExpectationResult, ValidationResult
from airflow_mlops.core.wording import days

_COLUMNS_SHOWN = 1000


def page_of(version: DatasetVersion, result: ValidationResult) -> str:
    """Draw the page; the same validation gives the same text, so how long it took is not in it.

    :param version: the version that was tested.
    """
    title = f"Data of {version.name}, {days(version.first_event, version.last_event)}"
    parts = {
        "Expectations and checks": _results(result),
        "Columns": _columns(version),
        "Provenance": _provenance(version, result),
    }
    head = html.tag("header", html.tag("h1", title), _verdict(result))
    body = [html.section(heading, content) for heading, content in parts.items()]
    return html.page(title, head, html.contents(parts), html.tag("main", html.join(body)))


def _verdict(result: ValidationResult) -> Markup:
    word = "passed" if result.success else "stopped"
    if result.success and result.dropped_rows:
        word = f"passed without {result.dropped_rows:,} rows"
    look = "pass" if result.success else "fail"
    return html.tag("p", html.tag("strong", word), f": {result.reason}", class_=f"verdict {look}")


def _results(result: ValidationResult) -> Markup:
    failures = result.failures
    held = [one for one in result.expectations if one.success]
    head = ["Expectation or check", "Column", "Severity", "Verdict", "What was found", "Unexpected", "Of"]
    return html.table("Failures first", head, [_row(one) for one in (*failures, *held)], numbers=2)


def _row(one: ExpectationResult) -> list[object]:
    verdict = "holds" if one.success else "fails"
    look = "pass" if one.success else "fail" if one.stops else "inconclusive"
    counts = [
        f"{count:,}" if count is not None else "" for count in (one.unexpected_count, one.element_count)
    ]
    return [one.type, one.column or "", one.severity, html.cell(verdict, look), one.reason, *counts]


def _columns(version: DatasetVersion) -> Markup:
    head = ["Column", "Type", "Missing", "Distinct", "Mean"]
    rows = [
        [
            one.name,
            one.type,
            f"{one.nulls:,}",
            "more than 1,000" if one.distinct is None else f"{one.distinct:,}",
            "" if one.mean is None else f"{one.mean:.6g}",
        ]
        for one in version.columns[:_COLUMNS_SHOWN]
    ]
    more = len(version.columns) - len(rows)
    caption = f"{version.rows:,} rows" + (f"; {more:,} more columns are not shown" if more else "")
    return html.table(caption, head, rows, numbers=3)


def _provenance(version: DatasetVersion, result: ValidationResult) -> Markup:
    pairs: list[tuple[str, object]] = [
        ("Tested", html.tag("code", f"{version.name}@{version.id}")),
        (
            "Goes on",
            html.tag("code", f"{result.dataset.name}@{result.dataset.id}" if result.success else "none"),
        ),
        ("Files", f"{len(version.files):,}"),
        ("Window", f"{version.since or 'open'} to {version.until or 'open'}"),
    ]
    if result.quarantine:
        blob = html.tag("code", result.quarantine)
        pairs.append(("In quarantine", html.join([f"{result.quarantined_rows:,} rows, blob ", blob])))
    if result.details:
        pairs.append(("Full results", html.join(["JSON, blob ", html.tag("code", result.details)])))
    return html.listing(pairs)
