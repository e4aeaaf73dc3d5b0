"""The record of a comparison of live traffic with the data that the champion learned from."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record

Outcome = Literal["drift", "stable", "inconclusive"]
#: In which way a column moved.
Aspect = Literal["values", "missing", "new values", "range", "vanished"]
#: The column that holds the champion's own answers: it is watched like the others.
PREDICTION = "prediction"


class Movement(Record):
    """One way in which a column is compared, and whether it moved in it.

    :param p_value: of no change at all, by a two-sample test; None where a rule decides and not a test.
    :param effect: how much, as a share of the rows (0 to 1): a distance of distributions, a difference of rates.
    :param reference, current: the number behind it on both sides, where there is one, e.g. the missing rates.
    :param said: in a few words, for people: ``missing 2 % -> 61 %``.
    """

    aspect: Aspect
    p_value: float | None
    effect: float
    reference: float | None = None
    current: float | None = None
    said: str


class ColumnDrift(Record):
    """How far one column has moved from the training data.

    :param kind: number, category or time.
    :param importance: the column's share of what moves the model's answers, 0 to 1; for the prediction 0.
    :param method, threshold, value: Evidently's default statistic for the column, for those who know it; None where it
        can't be computed. It decides nothing.
    :param p_value: over all its aspects; ``adjusted``: after control of the false discovery rate over the columns.
    :param effect: the largest of its movements that counts, else the largest.
    :param drifted: significant (``adjusted`` at most the level of the look) and large enough
        (``monitoring.drift.least``).
    :param movements: the aspects that were compared, the strongest first.
    :param note: why a column was not compared, or what is odd about it.
    """

    column: str
    kind: str
    importance: float = 0.0
    method: str | None = None
    threshold: float | None = None
    value: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    effect: float = 0.0
    drifted: bool = False
    movements: tuple[Movement, ...] = ()
    note: str = ""

    @property
    def said(self) -> str:
        """What moved, in a few words; the note where nothing was compared."""
        return f"{self.column}: {self.movements[0].said}" if self.movements else f"{self.column}: {self.note}"


class Multivariate(Record):
    """Whether a classifier can tell the window's rows from the training data's.

    :param auc: out of sample; 0.5 when the two are alike.
    :param p_value: of an AUC as large without any change.
    :param columns: those by which it tells them apart, the strongest first.
    """

    auc: float
    p_value: float
    drifted: bool
    columns: tuple[str, ...] = ()
    rows: int


class DriftReport(Record):
    """One look at a model's live traffic beside the data that its champion learned from.

    ``outcome`` is ``drift`` when any column or the classifier says so; ``inconclusive`` when too little is there to
    say anything, and then nothing counts as drifted.

    :param since, until: the window of captured traffic, since <= t < until.
    :param rows: live rows of the champion in the window; ``reference_rows``: rows of its training data.
    :param compared_rows, reference_compared_rows: rows that went into the comparison, a sample with a fixed seed when
        there are more than the bound.
    :param share: of the model's importance that lies on drifted columns, 0 to 1.
    :param set_aside: captured requests that were left out, by reason.
    :param report_html: hash of Evidently's report as a blob; None when none was rendered.
    """

    model: str
    champion: int | None
    dataset: DatasetRef | None
    since: datetime
    until: datetime
    rows: int
    reference_rows: int = 0
    compared_rows: int = 0
    reference_compared_rows: int = 0
    outcome: Outcome
    reason: str
    columns: tuple[ColumnDrift, ...] = ()
    multivariate: Multivariate | None = None
    share: float = 0.0
    alpha: float
    set_aside: dict[str, int] = Field(default_factory=dict)
    report_html: str | None = None

    @property
    def findings(self) -> tuple[ColumnDrift, ...]:
        """The columns that drifted, those first that matter most to the model, then the largest change."""
        drifted = (one for one in self.columns if one.drifted)
        return tuple(sorted(drifted, key=lambda one: (-one.importance * one.effect, -one.effect, one.column)))

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, in the order of :attr:`findings`."""
        return tuple(one.column for one in self.findings)
