"""The record of a validation: which expectation held, on how many of how many, and where the bad rows are."""

from __future__ import annotations

from typing import Literal

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record

#: What a failure does: it stops the run, is recorded, or the rows are left out of what goes on.
Severity = Literal["fail", "warn", "drop"]


def named(kind: str, column: str | None) -> str:
    """``type on column``; the type alone for the whole table."""
    return f"{kind} on {column}" if column else kind


class ExpectationResult(Record):
    """What one expectation, or one check of the version as a whole, found.

    :param column: the column, several separated by a comma, None for the whole table.
    :param severity: what a failure does: stop the run, be recorded, or leave the rows out of what goes on.
    :param unexpected_count: values (or rows, for several columns) that break it; None when it judges an
        aggregate.
    :param unexpected_share: their share of the values that are not null, from 0 to 1: what ``mostly`` is held
        against.
    :param element_count: values looked at, nulls included.
    :param examples: a few distinct unexpected values, the places of rows where values are missing, or what
        was observed; masked for sensitive columns.
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
        return named(self.type, self.column)

    @property
    def stops(self) -> bool:
        """Whether the run has to stop: it failed, and no rows can be blamed and dropped for that."""
        if self.success or self.severity == "warn":
            return False
        return self.severity == "fail" or self.unexpected_count is None


class ValidationResult(Record):
    """What all expectations and checks found on a dataset version.

    :param dataset: the version that goes on: ``tested``, or the version without the rows that were dropped.
    :param tested: the version that was tested.
    :param success: whether none failed that stops the run.
    :param rows: rows that were tested.
    :param expectations: in the order of the spec: those of the suite file, those of the short list, the checks.
    :param reason: one line in words; says so when nothing was tested.
    :param quarantine: hash of a Parquet blob with the rows that broke a failed expectation, whole, with
        ``_source`` (file), ``_row`` (from 0 within that file) and ``_reasons``; None when there are none.
    :param dropped_rows: rows that the version that goes on lacks.
    :param details: hash of a JSON blob with the full results in the form of Great Expectations; None when no
        expectation was tested.
    :param docs: hash of an HTML blob that shows all this, self-contained; None when nothing was tested.
    """

    dataset: DatasetRef
    tested: DatasetRef
    success: bool
    rows: int
    expectations: tuple[ExpectationResult, ...]
    reason: str
    quarantine: str | None = None
    quarantined_rows: int = 0
    dropped_rows: int = 0
    details: str | None = None
    docs: str | None = None
    seconds: float

    @property
    def failures(self) -> tuple[ExpectationResult, ...]:
        """The expectations and checks that failed, those that stop the run first."""
        failed = [one for one in self.expectations if not one.success]
        return tuple(sorted(failed, key=lambda one: (not one.stops, one.severity == "warn")))
