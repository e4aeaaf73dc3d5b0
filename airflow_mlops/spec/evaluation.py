"""How a model is judged before it is registered."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration


class SliceSearch(Section):
    """Finds the slices where the model is worst: values and ranges of up to two columns."""

    columns: tuple[str, ...] = Field(
        (), description="Columns to combine; all of features.columns without any."
    )
    max_features: int = Field(2, ge=1, le=2, description="Columns in one slice.")
    min_rows: int = Field(100, ge=20, description="Smaller slices are not looked at.")
    alpha: float = Field(0.05, gt=0, le=0.2, description="Chance that any reported slice is no worse at all.")
    top: int = Field(10, ge=1, le=100, description="Slices that are reported, the worst first.")


class Costs(Section):
    """What an answer is worth, per row, in one currency; a cost is above 0, a gain below.

    With ``threshold`` None the threshold that is cheapest on the validation part (else the training part) is used.
    """

    true_positive: float = 0.0
    false_positive: float = 0.0
    false_negative: float = 0.0
    true_negative: float = 0.0
    threshold: float | None = Field(None, ge=0, le=1, description="Score from which the answer is yes.")
    currency: str = Field("", max_length=12)


class Ageing(Section):
    """Trains on the first part of the time range and scores each later period."""

    period: Duration = Field(timedelta(days=30), description="Length of a period.")
    train: float = Field(0.5, gt=0, lt=1, description="Share of the time range that is trained on.")
    metric: str | None = Field(
        None, description="Metric of the curve; log_loss, or rmse of a regression, without."
    )
    tolerance: float = Field(
        0.02,
        gt=0,
        description="A model is too old when the metric is worse by this share than a model's that was trained later.",
    )


class Evaluation(Section):
    """Which gates a model has to pass offline before it is registered, and what its report shows."""

    gates: tuple[Gate, ...] = Field(
        min_length=1, description="At least one gate: nothing is released unjudged."
    )
    slices: tuple[str, ...] = Field((), description="Columns whose values are reported one by one.")
    search: SliceSearch | None = Field(None, description="Finds the worst slices.")
    groups: tuple[str, ...] = Field((), description="Columns whose groups are compared for fairness.")
    costs: Costs | None = None
    ageing: Ageing | None = None

    @model_validator(mode="after")
    def _measurable(self) -> Evaluation:
        if self.costs is None and any(gate.metric == "cost" for gate in self.gates):
            raise ValueError("a gate on cost needs evaluation.costs, which says what an answer is worth")
        return self
