"""How the endpoint treats requests, and how the model is watched."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration


class Fallback(Section):
    """The rule that answers when no model can: a value, or a value per value of one request column."""

    default: float
    by: str | None = Field(None, description="Request column to look up.")
    values: dict[str, float] = Field(default_factory=dict, description="Answer per value of that column.")


class Serving(Section):
    """How the endpoint treats requests for this model."""

    key: tuple[str, ...] = Field((), description="Request columns whose hash assigns a request to a variant.")
    fallback: Fallback | None = None
    max_rows: int = Field(1000, ge=1, description="Largest batch of rows in one request.")


class Monitoring(Section):
    """When drift of the captured traffic is looked for, and what asks for retraining."""

    schedule: str | None = Field(
        None, description="Cron expression of the monitor DAG; without one, by hand."
    )
    window: Duration = Field(timedelta(days=1), description="Captured traffic that is compared.")
    min_rows: int = Field(500, ge=1, description="Fewer captured rows decide nothing.")
    drift_share: float = Field(
        0.3, gt=0, le=1, description="Share of drifted columns that asks for retraining."
    )
    columns: tuple[str, ...] = Field((), description="Columns to watch; all feature columns without any.")
    skew_requests: int = Field(
        0, ge=0, description="Captured requests whose features training computes again; 0 leaves it out."
    )


class Retention(Section):
    """How long dataset versions stay that no kept model refers to; what a kept model refers to is never removed."""

    keep: Duration = Field(timedelta(days=90), description="Younger dataset versions always stay.")
    models: int | None = Field(
        None,
        ge=1,
        description="Newest model versions whose data stay, beside all that ever served; all without it.",
    )
    grace: Duration = Field(
        timedelta(days=7), description="Blobs that nothing names stay so long; longer than any release takes."
    )
