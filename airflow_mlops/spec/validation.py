"""Tests of the data before they are used."""

from __future__ import annotations

import json
from datetime import date
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration

CheckSeverity = Literal["fail", "warn"]


class Expectation(Section):
    """One Great Expectations expectation: its type in snake case, its arguments, and what a failure does."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(pattern=r"^expect_[a-z0-9_]+$", description="e.g. expect_column_values_to_not_be_null")
    severity: Literal["fail", "warn", "drop"] = Field(
        "fail",
        description="fail stops the release, warn is recorded, drop goes on without the rows that break it.",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_arguments(cls, fields: Any) -> Any:
        """Arguments as JSON holds them: YAML reads 2013-01-31 as a date, and the stored spec has its text."""
        if not isinstance(fields, dict):
            return fields
        return json.loads(json.dumps(fields, default=_plain, allow_nan=False))

    @property
    def arguments(self) -> dict[str, Any]:
        """The expectation's own arguments: column, min_value, mostly, ..."""
        return dict(self.model_extra or {})


def _plain(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise ValueError(f"an argument is text, a number, a date or a list of them; given {type(value).__name__}")


class Freshness(Section):
    """The newest event is not older than this, at the time of the check (or at ``until`` of the window)."""

    max_age: Duration
    severity: CheckSeverity = "fail"


class Volume(Section):
    """How many rows there are, and how far that is from the version before: per day of event time."""

    min_rows: int | None = Field(None, ge=1)
    max_rows: int | None = Field(None, ge=1)
    max_change: float | None = Field(
        None, gt=0, description="Rows a day may differ by this share from the version before: 0.5 is half."
    )
    severity: CheckSeverity = "fail"


class SchemaContract(Section):
    """What may change in the columns since the version before."""

    removed: Literal["allow", "warn", "fail"] = "fail"
    added: Literal["allow", "warn", "fail"] = "warn"
    types: Literal["allow", "warn", "fail"] = "fail"


class DataDrift(Section):
    """Label and features against the version before: which columns shifted.

    A test of homogeneity for each column, false discoveries over all columns controlled at ``alpha``
    (Benjamini-Yekutieli 2001), and an effect of at least ``min_effect``: with enough rows everything differs.
    """

    alpha: float = Field(0.05, gt=0, le=0.2)
    min_effect: float = Field(
        0.1, ge=0, le=1, description="Least distance: Kolmogorov-Smirnov for numbers, total variation else."
    )
    columns: tuple[str, ...] = Field(
        (), description="Columns to compare; the label and features without any."
    )
    severity: CheckSeverity = "warn"


class Validation(Section):
    """Tests of the data: a suite of Great Expectations, a short list here, and checks of the version as a whole."""

    suite: str | None = Field(
        None, description="Path of a Great Expectations suite as JSON, below the data root."
    )
    expectations: tuple[Expectation, ...] = ()
    engine: Literal["auto", "gx"] = Field(
        "auto", description="auto tests what it can in one query; gx leaves all to Great Expectations."
    )
    freshness: Freshness | None = None
    volume: Volume | None = None
    contract: SchemaContract | None = None
    drift: DataDrift | None = None
    unique: tuple[str, ...] = Field(
        (), description="Columns whose combination names a row once, e.g. [order_id]."
    )
