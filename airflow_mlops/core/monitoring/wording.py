"""A drift report in words."""

from __future__ import annotations

from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport
from airflow_mlops.core.wording import some

_MOST = 10


def explain(report: DriftReport) -> str:
    """One line: what drifted and how, what matters most first."""
    if report.outcome == "inconclusive":
        return f"{report.model}: inconclusive, {report.reason}"
    found = findings(report)
    return f"{report.model}: {report.reason}" + (f": {some(found, _MOST, '; ')}" if found else "")


def findings(report: DriftReport) -> tuple[str, ...]:
    """Each column that drifted in a few words, those first that matter most to the model."""
    return tuple(_words(one) for one in report.findings)


def _words(found: ColumnDrift) -> str:
    weight = f", {found.importance:.0%} of the importance" if found.importance else ""
    return f"{found.said} (moved by {found.effect:.2f}{weight})"
