"""A drift report in words."""

from __future__ import annotations

from airflow_mlops.core.monitoring.report import ColumnDrift, DriftReport, MissingRate


def explain(report: DriftReport) -> str:
    """One line: what drifted, by which method, value and threshold, the strongest first."""
    if report.outcome == "inconclusive":
        return f"{report.model}: inconclusive, {report.reason}"
    found = findings(report)
    return f"{report.model}: {report.reason}" + (f": {', '.join(found)}" if found else "")


def findings(report: DriftReport) -> tuple[str, ...]:
    """Each thing that drifted in a few words, the strongest first."""
    return tuple(_words(one) for one in report.findings)


def _words(found: ColumnDrift | MissingRate) -> str:
    if isinstance(found, MissingRate):
        return f"{found.column} missing {found.reference:.0%} -> {found.current:.0%}"
    sign = "<" if found.method and "p_value" in found.method else ">="
    return f"{found.column} by {found.method} {found.value:.3g} {sign} {found.threshold:g}"
