"""How a model is watched, and what asks for retraining."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, model_validator

from airflow_mlops.core.gates import Gate
from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration


class Drift(Section):
    """When a window of live traffic is called drift.

    Significance alone would call every window of a busy endpoint drift, size alone every small one: both are asked.
    """

    alpha: float = Field(
        0.05, gt=0, le=0.2, description="Chance that a window without any change is called drift."
    )
    least: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="Smallest change of a column that counts, as a share of its rows that moved.",
    )
    classifier: bool = Field(
        True,
        description="Also look for changes that no column shows alone, by a classifier of the two sides.",
    )
    usual: bool = Field(
        True,
        description="A change that windows of the training data show among themselves does not count.",
    )


class Performance(Section):
    """How well the champion does on live requests: estimated before labels come, measured when they have."""

    gates: tuple[Gate, ...] = Field(
        (),
        description="What it has to keep; a margin is against the champion's own evaluation. One that fails asks for "
        "retraining.",
    )
    slices: tuple[str, ...] = Field((), description="Columns whose values are reported one by one.")
    periods: int = Field(
        7,
        ge=1,
        le=400,
        description="Newest windows that are measured at each look, beside those in label_delay.",
    )
    min_labelled: float = Field(
        0.5, gt=0, le=1, description="Share of a window's rows with labels from which it counts as measured."
    )
    label_delay: Duration | None = Field(
        None, description="Labels that come later than this are missed: an alert says so."
    )


class Retrain(Section):
    """What asks for retraining, and how often it may."""

    drift_share: float = Field(
        0.3,
        gt=0,
        le=1,
        description="A window counts when drifted columns carry this share of the model's importance.",
    )
    important: float = Field(
        0.15,
        gt=0,
        le=1,
        description="A window also counts when one drifted column alone carries this share.",
    )
    windows: int = Field(2, ge=1, description="So many windows must count, of drift or of failed gates ...")
    of: int = Field(3, ge=1, le=100, description="... of the newest so many.")
    max_age: Duration | None = Field(
        None, description="A champion that was trained longer ago than this is too old."
    )
    min_new_rows: int | None = Field(
        None, ge=1, description="So many new labelled rows in the source ask for retraining by themselves."
    )
    cooldown: Duration = Field(
        timedelta(days=1), description="Least time between two requests, and after the champion was promoted."
    )
    budget: int = Field(4, ge=1, description="Most requests ...")
    budget_window: Duration = Field(timedelta(days=30), description="... in so long.")
    max_shaped: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Ask no more when more than this share of the new rows was shaped by the model's own answers.",
    )

    @model_validator(mode="after")
    def _reachable(self) -> Retrain:
        if self.windows > self.of:
            raise ValueError(
                f"windows ({self.windows}) is above of ({self.of}), so that drift would never ask"
            )
        return self


class Monitoring(Section):
    """How live traffic is looked at."""

    schedule: str | None = Field(
        None, description="Cron expression of the monitor DAG; without one, by hand."
    )
    window: Duration = Field(timedelta(days=1), description="Captured traffic of one look.")
    min_rows: int = Field(500, ge=1, description="Fewer captured rows decide nothing.")
    columns: tuple[str, ...] = Field((), description="Columns to watch; all feature columns without any.")
    drift: Drift = Drift()
    performance: Performance = Performance()
    retrain: Retrain = Retrain()
    freshness: Duration | None = Field(
        None, description="Inputs whose newest data are older than this are stale: an alert says so."
    )
    repeat_alerts: Duration = Field(
        timedelta(days=1), description="An alert whose cause lasts is sent again after this."
    )
    skew_requests: int = Field(
        0, ge=0, description="Captured requests whose features training computes again; 0 leaves it out."
    )
