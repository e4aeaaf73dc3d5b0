"""Batch predictions: which rows, and where to."""

from __future__ import annotations

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.data import check_below_root, format_of


class Scoring(Section):
    """Rows that the champion predicts in batches, by the DAG ``<model>.score``."""

    source: str = Field(min_length=1, description="Glob below the data root: flights_ahead/*.parquet")
    event_time: str | None = Field(
        None, description="Column whose day is the partition of a prediction; data.event_time without it."
    )
    carry: tuple[str, ...] = Field((), description="Columns of the source that stand beside each prediction.")
    schedule: str | None = Field(
        None, description="Cron expression of the score DAG; without one, new files of the source start it."
    )

    @model_validator(mode="after")
    def _usable(self) -> Scoring:
        check_below_root(self.source, "source of scoring")
        format_of(self.source)
        return self
