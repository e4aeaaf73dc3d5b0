"""What a change costs in the model's metric: measured where labels have come, estimated where they have not."""

from __future__ import annotations

from typing import NamedTuple

from airflow_mlops.core.gates import HIGHER_IS_BETTER
from airflow_mlops.core.monitoring.performance.report import PerformanceReport, PeriodPerformance, Value
from airflow_mlops.spec import ModelSpec


class Cost(NamedTuple):
    """One metric, when the champion was registered and now.

    :param loss: by how much it is worse now, in the metric's unit; below 0 where it is better.
    :param how: how the present value is known, in words.
    """

    metric: str
    before: float | None
    now: Value
    loss: float | None
    how: str

    @property
    def said(self) -> str:
        """The whole cost in one sentence."""
        interval = (
            f" (95 %: {self.now.low:.3g} to {self.now.high:.3g})"
            if self.now.low is not None and self.now.high is not None
            else ""
        )
        now = f"{self.now.value:.3g}{interval}, {self.how}"
        if self.before is None or self.loss is None:
            return f"{self.metric} is {now}."
        change = f"{self.before:.3g} when it was registered -> {now}"
        if self.loss <= 0:
            return f"{self.metric} has not suffered: {change}."
        return f"It costs {self.loss:.3g} of {self.metric}: {change}."


def cost_of(spec: ModelSpec, report: PerformanceReport | None) -> Cost | None:
    """What it costs, by the newest period in which the metric is known; None while it is known in none.

    The metric is the one that the spec judges live performance by; without such a gate, the one of its evaluation.
    """
    if report is None:
        return None
    gates = (*spec.monitoring.performance.gates, *spec.evaluation.gates)
    metrics = dict.fromkeys([*(gate.metric for gate in gates if not gate.group), *sorted(report.baseline)])
    least = spec.monitoring.performance.min_labelled
    whole = [one for one in report.periods if one.slice is None and one.champion == report.champion]
    for metric in metrics:
        for period in reversed(whole):
            known = _known(period, metric, least)
            if known is not None:
                return _cost(metric, report.baseline.get(metric), *known)
    return None


def what_it_costs(spec: ModelSpec, performance: PerformanceReport | None) -> str:
    """What it costs in a sentence, for people."""
    cost = cost_of(spec, performance)
    return (
        cost.said if cost else "What it costs is not known: no labels have come, and nothing was estimated."
    )


def _known(period: PeriodPerformance, metric: str, least: float) -> tuple[Value, str] | None:
    """The metric of a period, and how it is known."""
    if metric in period.measured and period.maturity >= least:
        return period.measured[metric], f"measured on the {period.maturity:.0%} of rows with labels"
    if metric in period.estimated:
        return period.estimated[metric], "estimated, labels have not come"
    return None


def _cost(metric: str, before: float | None, now: Value, how: str) -> Cost:
    if before is None:
        return Cost(metric, None, now, None, how)
    loss = before - now.value if metric in HIGHER_IS_BETTER else now.value - before
    return Cost(metric, before, now, loss, how)
