"""Performance in words."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_mlops.core.monitoring.performance.report import PerformanceReport, Value

#: Metrics of the one line, as far as they are there.
_FIRST = ("log_loss", "auc", "rmse", "mae")


def explain(report: PerformanceReport) -> str:
    """The report in one line."""
    who = report.model if report.champion is None else f"{report.model} v{report.champion}"
    newest = report.newest
    parts = [f"{who}: {report.reason}"]
    if newest is not None and newest.until == report.until:
        parts += [told for kind in ("measured", "estimated") if (told := _told(kind, getattr(newest, kind)))]
    parts += [f"gate {one.gate.name} failed: {one.reason}" for one in report.failed]
    stale = [one.name for one in report.inputs if one.stale]
    if stale:
        parts.append(f"stale: {', '.join(stale)}")
    return "; ".join(parts)


def reason_of(report: PerformanceReport, min_labelled: float, notes: Sequence[str]) -> str:
    """What the periods are known by, and what is odd about them."""
    if report.champion is None:
        return "; ".join(["no champion serves", *notes])
    whole = [one for one in report.periods if one.slice is None]
    if not whole:
        return "; ".join(["no answered request of the champion was captured", *notes])
    measured = sum(one.maturity >= min_labelled for one in whole)
    estimated = sum(one.maturity < min_labelled and bool(one.estimated) for one in whole)
    said = f"{measured} of {len(whole)} periods measured"
    if estimated:
        said += f", {estimated} estimated"
    if report.overdue:
        said += f"; {report.overdue:,} labels are overdue"
    return "; ".join([said, *notes])


def _told(kind: str, metrics: dict[str, Value]) -> str:
    shown = [f"{name} {value_text(metrics[name])}" for name in _FIRST if name in metrics]
    return f"{kind} {', '.join(shown)}" if shown else ""


def value_text(value: Value) -> str:
    """Four digits, with the interval."""
    if value.low is None or value.high is None:
        return f"{value.value:.4g}"
    return f"{value.value:.4g} ({value.low:.4g} to {value.high:.4g})"
