"""Records of the label audit and of its review."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record


class LabelCount(Record):
    """Rows of one period or part, and how many of them have label 1."""

    name: str
    start: datetime
    end: datetime
    rows: int
    positives: int


class LabelShift(Record):
    """How the share of label 1 moves.

    :param groups: periods of equal length of the training part (``period``), or the parts of the split (``part``).
    :param p_value: of Pearson's chi-squared test that all groups have one share; None where a group is too small.
    :param effect: Cramer's V, 0 for equal shares: with many rows any difference is significant.
    """

    by: str
    groups: tuple[LabelCount, ...]
    p_value: float | None
    effect: float | None


class Disagreement(Record):
    """Rows with the same values in all of the spec's raw columns whose labels differ.

    :param positives: how many of the rows have label 1.
    :param source, row: where the first one lies.
    """

    rows: int
    positives: int
    source: str
    row: int


class Duplicates(Record):
    """All such groups: how many, their rows, and the largest of them."""

    groups: int
    rows: int
    largest: tuple[Disagreement, ...]


class LabelAudit(Record):
    """What the audit of the labels of a dataset version's training part found.

    :param rows: labelled rows that were looked at.
    :param suspects: rows whose label is more likely wrong than right.
    :param confident_learning: how many rows plain confident learning names, for comparison.
    :param expected_precision: the share of ``suspects`` that is expected to be really wrong; None without suspects, and
        where it can't be told. ``precision_low`` and ``precision_high`` are its 95 % interval.
    :param error_rate: estimated share of wrong labels among all rows, with its 95 % interval.
    :param certain: whether some rows are so clear that only errors can explain their odd labels. If not, natural
        noise can't be told from errors: the estimates are upper bounds, and the intervals begin at 0.
    :param kept: rows that a reviewer confirmed before; they are no suspects again.
    :param evidence: columns beside the features that the audit looked at.
    :param file_rows: rows of the review file: the likeliest errors first, not only suspects.
    :param file_precision: share of those that is expected to be wrong.
    :param parquet, csv: hashes of the review file's blobs.
    """

    model: str
    dataset: DatasetRef
    rows: int
    suspects: int
    confident_learning: int
    expected_precision: float | None
    precision_low: float | None
    precision_high: float | None
    error_rate: float
    error_rate_low: float
    error_rate_high: float
    certain: bool
    kept: int
    evidence: tuple[str, ...]
    duplicates: Duplicates
    shifts: tuple[LabelShift, ...]
    file_rows: int
    file_precision: float
    parquet: str
    csv: str


class Decision(Record):
    """What a reviewer said of one row.

    :param key: what names the row in any version: its ``data.id``, else a fingerprint of its time and features.
    :param old, new: the label before and after; equal where the reviewer confirmed it.
    :param source, row: where the row lay in the version that was corrected.
    :param at: when, as the file says it.
    """

    key: str
    source: str
    row: int
    old: float | None
    new: float
    by: str
    comment: str = ""
    at: str = ""

    @property
    def kept(self) -> bool:
        """Whether the label was confirmed."""
        return self.old == self.new


class ReviewLog(Record):
    """The details of a dataset version that was derived by a review: every decision, by place."""

    decisions: tuple[Decision, ...]
