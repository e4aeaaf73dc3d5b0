"""How the endpoint treats requests, and how long data stay."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration


class Fallback(Section):
    """The rule that answers when no model can: a value, or a value per value of one request column."""

    default: float
    by: str | None = Field(None, description="Request column to look up.")
    values: dict[str, float] = Field(default_factory=dict, description="Answer per value of that column.")


class Health(Section):
    """When the champion counts as unhealthy, and what answers then. The switch is an entry of the deployment log."""

    max_error_rate: float = Field(
        0.5, gt=0, le=1, description="Share of failed requests from which the champion is unhealthy."
    )
    window: Duration = Field(timedelta(minutes=10), description="The newest traffic that is looked at.")
    min_requests: int = Field(50, ge=1, description="Fewer requests decide nothing.")
    then: Literal["previous", "rule"] = Field(
        "previous",
        description="previous: the newest older champion that answers captured requests, else the rule; rule: the "
        "fallback rule at once.",
    )


class Serving(Section):
    """How the endpoint treats requests for this model."""

    key: tuple[str, ...] = Field((), description="Request columns whose hash assigns a request to a variant.")
    fallback: Fallback | None = None
    health: Health = Health()
    max_rows: int = Field(1000, ge=1, description="Largest batch of rows in one request.")


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
