"""The record of a validation: which expectation held, on how many of how many, and where the bad rows are."""

from __future__ import annotations

from typing import Literal

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record

Severity = Literal["fail", "warn"]


class ExpectationResult(Record):
    """What one expectation found.

    :param column: the column, several separated by a comma, None for the whole table.
    :param severity: whether a failure stops the release.
    :param unexpected_count: values (or rows, for several columns) that break it; None when it judges an
        aggregate.
    :param unexpected_share: their share of the values that are not null, from 0 to 1: what ``mostly`` is held
        against.
    :param element_count: values looked at, nulls included.
    :param examples: a few distinct unexpected values, the places of rows where values are missing, or what
        was observed.
    :param reason: one line in words.
    """

    type: str
    column: str | None
    severity: Severity
    success: bool
    unexpected_count: int | None = None
    unexpected_share: float | None = None
    element_count: int | None = None
    examples: tuple[str, ...] = ()
    reason: str

    @property
    def name(self) -> str:
        """``type on column``, for logs and tables."""
        return f"{self.type} on {self.column}" if self.column else self.type


class ValidationResult(Record):
    """What all expectations found on a dataset version.

    :param success: whether no expectation of severity ``fail`` failed.
    :param rows: rows that were tested.
    :param expectations: in the order of the spec: those of the suite file, then those of the short list.
    :param reason: one line in words; says so when nothing was tested.
    :param quarantine: hash of a Parquet blob with the rows that broke a failed expectation, whole, with
        ``_source`` (file), ``_row`` (from 0 within that file) and ``_reasons``; None when there are none.
    :param details: hash of a JSON blob with the full results of Great Expectations; None when nothing was
        tested.
    """

    dataset: DatasetRef
    success: bool
    rows: int
    expectations: tuple[ExpectationResult, ...]
    reason: str
    quarantine: str | None = None
    quarantined_rows: int = 0
    details: str | None = None
    seconds: float

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The expectations that failed, those that stop the release first."""
        failed = [one for one in self.expectations if not one.success]
        return tuple(sorted(failed, key=lambda one: one.severity != "fail"))
