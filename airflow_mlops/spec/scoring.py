"""Batch predictions: which rows, and where to."""

from __future__ import annotations

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.data import Arrival, check_below_root, format_of
from airflow_mlops.spec.duration import Duration


def scored_dataset(model: str) -> str:
    """The name of the dataset versions, and of the asset, of the rows that a model scores."""
    return f"{model}__scoring"


class Scoring(Section):
    """Rows that the champion predicts in batches, by the DAG ``<model>.score``."""

    source: str = Field(min_length=1, description="Glob below the data root: flights_ahead/*.parquet")
    event_time: str | None = Field(
        None, description="Column whose day is the partition of a prediction; data.event_time without it."
    )
    carry: tuple[str, ...] = Field((), description="Columns of the source that stand beside each prediction.")
    schedule: str | None = Field(
        None,
        description="Cron expression of the score DAG; without one, an event of the source's asset starts it.",
    )
    arrival: Arrival | None = Field(
        None, description="New files of the source start the score DAG by themselves, when they are complete."
    )
    ahead: Duration | None = Field(
        None,
        description="The period of a scheduled run ends so long after the run: 1d with @daily is the day to come. "
        "Without it, a period ends with the run.",
    )

    @model_validator(mode="after")
    def _usable(self) -> Scoring:
        check_below_root(self.source, "source of scoring")
        format_of(self.source)
        twice = sorted({name for name in self.carry if self.carry.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: columns to carry stand once")
        if self.arrival is not None and self.schedule is not None:
            raise ValueError("the score DAG starts by a schedule, or on the arrival of files, not both")
        if self.ahead is not None and self.schedule is None:
            raise ValueError("ahead is about the periods of a schedule: it needs scoring.schedule")
        return self
