"""The record of how well a champion does on live requests, period by period."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.record import Record


class Value(Record):
    """A metric and its 95 % interval; None where none can be given."""

    value: float
    low: float | None = None
    high: float | None = None


class PeriodPerformance(Record):
    """One period, all its rows or those of a slice.

    :param slice: ``column=value``; None for all rows.
    :param rows: answered rows of the champion; ``labelled``: those whose ground truth is known by ``as_of``.
    :param measured: metrics of the labelled rows, empty without any.
    :param estimated: metrics of all rows that were estimated without labels, empty where that can't be done.
    """

    since: datetime
    until: datetime
    champion: int
    slice: str | None = None
    rows: int
    labelled: int
    measured: dict[str, Value] = Field(default_factory=dict)
    estimated: dict[str, Value] = Field(default_factory=dict)

    @property
    def maturity(self) -> float:
        """Share of the rows with labels, 0 to 1."""
        return self.labelled / self.rows if self.rows else 0.0


class EstimationError(Record):
    """How good an earlier estimate was, once labels had come.

    :param estimated, measured: the metric of the same period, before and after.
    :param within: whether the measured value lay in the interval of the estimate.
    """

    since: datetime
    until: datetime
    metric: str
    estimated: float
    measured: float
    within: bool


class TrafficPeriod(Record):
    """Requests to one variant in one period; the fallback rule is the variant ``fallback``.

    :param requests: captured requests; ``failed``: those without an answer.
    :param latency_ms: quantiles 0.5, 0.95 and 0.99 of the answered ones; None without any.
    """

    since: datetime
    until: datetime
    variant: str
    role: str
    requests: int
    failed: int
    latency_ms: tuple[float, float, float] | None


class InputFreshness(Record):
    """How old the newest data of one input are.

    :param name: the source's name: the model's data set, or a join's.
    :param newest: time of the newest file, or event where only events are known; None where there is nothing.
    :param stale: older than ``monitoring.freshness`` at the end of the look, or nothing there.
    """

    name: str
    place: str
    newest: datetime | None
    stale: bool


class PerformanceReport(Record):
    """How well the champion did on the newest periods, as far as labels had come by ``as_of``.

    :param baseline: metrics of its evaluation on held-out rows, when it was registered.
    :param periods: oldest first; of each period all rows first, then its slices.
    :param gates: ``monitoring.performance.gates`` held against the newest measured period of the champion, and the
        newest estimated one if it is newer; the worse of both.
    :param judged_on: ``measured`` or ``estimated``: how the newest period that could be judged is known.
    :param errors: of earlier estimates, oldest first.
    :param unknown: labels for inference ids that no captured answer has; ``skewed``: labels or answers whose time
        can't be right (in the future, or before what they belong to).
    :param overdue: rows whose labels are missing for longer than ``label_delay``.
    """

    model: str
    champion: int | None
    since: datetime
    until: datetime
    as_of: datetime
    objective: str = ""
    baseline: dict[str, float] = Field(default_factory=dict)
    periods: tuple[PeriodPerformance, ...] = ()
    gates: tuple[GateResult, ...] = ()
    judged_on: str | None = None
    errors: tuple[EstimationError, ...] = ()
    traffic: tuple[TrafficPeriod, ...] = ()
    inputs: tuple[InputFreshness, ...] = ()
    unknown: int = 0
    skewed: int = 0
    overdue: int = 0
    reason: str = ""
    page: str | None = None

    @property
    def newest(self) -> PeriodPerformance | None:
        """The newest period, all its rows."""
        return next((one for one in reversed(self.periods) if one.slice is None), None)

    @property
    def failed(self) -> tuple[GateResult, ...]:
        """The gates that failed."""
        return tuple(one for one in self.gates if one.outcome == "fail")
