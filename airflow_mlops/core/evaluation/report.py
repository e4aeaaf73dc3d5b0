"""The record of an evaluation: metrics, slices, and what the gates said."""

from __future__ import annotations

from pydantic import Field

from airflow_mlops.core.evaluation.analysis import (
    Ageing,
    Calibration,
    CostResult,
    Efficiency,
    Fairness,
    Importance,
    SliceSearchResult,
)
from airflow_mlops.core.gates import GateResult
from airflow_mlops.core.record import Record


class SliceMetrics(Record):
    """Metrics of the rows where ``slice`` (``column=value``) holds, and the champion's on the same rows.

    :param intervals: 95 % intervals of the metrics, those that can be given; rows of one day count as dependent.
    """

    slice: str
    rows: int
    metrics: dict[str, float]
    champion: dict[str, float] | None = None
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)


class Evaluation(Record):
    """How a trained model does on the held-out rows, beside the champion on the same rows.

    :param artifact: hash of the model that was evaluated, so that no other model is registered with this
        evaluation.
    :param champion: the champion's version and its metrics on the same rows, None when there is none.
    :param intervals: 95 % intervals of the metrics, as in :class:`SliceMetrics`.
    :param page: hash of the report as one HTML file, None when none was made.
    """

    artifact: str | None = None
    rows: int
    metrics: dict[str, float]
    champion_version: int | None = None
    champion: dict[str, float] | None = None
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    slices: tuple[SliceMetrics, ...] = ()
    gates: tuple[GateResult, ...] = ()
    search: SliceSearchResult | None = None
    fairness: tuple[Fairness, ...] = ()
    calibration: Calibration | None = None
    importance: Importance | None = None
    efficiency: Efficiency | None = None
    costs: CostResult | None = None
    ageing: Ageing | None = None
    page: str | None = None

    @property
    def passed(self) -> bool:
        """Whether there is a gate at all and every one passed."""
        return bool(self.gates) and all(result.passed for result in self.gates)
