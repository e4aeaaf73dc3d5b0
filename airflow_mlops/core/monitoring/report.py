"""The records of monitoring: what drifted, and what follows from it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record

Outcome = Literal["drift", "stable", "inconclusive"]


class ColumnDrift(Record):
    """How far the values of one column have moved from the training data.

    :param method: Evidently's name of the statistic; None when the column could not be compared: see
        ``note``.
    :param value: a p-value when ``method`` says so (drift when it is *below* ``threshold``), else a distance
        (drift when it is *above*).
    :param strength: how far beyond the threshold, on one scale for all methods; above 1 is drift. See
        :func:`~airflow_mlops.core.monitoring.drift.strength`.
    :param note: why a column was not compared, or what is odd about it.
    """

    column: str
    method: str | None = None
    threshold: float | None = None
    value: float | None = None
    strength: float = 0.0
    drifted: bool = False
    note: str = ""


class MissingRate(Record):
    """The share of missing values of one column, in the training data and in the window.

    :param strength: the change as a multiple of the least change that counts.

    The rule is in :mod:`airflow_mlops.core.monitoring.missing`.
    """

    column: str
    reference: float
    current: float
    strength: float
    drifted: bool

    @property
    def difference(self) -> float:
        """The change, in parts of one."""
        return self.current - self.reference


class DriftReport(Record):
    """One look at a model's live traffic beside the data that its champion learned from.

    ``outcome`` is ``drift`` when the share of drifted columns reaches ``share_limit``; ``inconclusive`` when
    too little is there to say anything, and then nothing counts as drifted.

    :param since, until: the window of captured traffic, since <= t < until.
    :param rows: live rows of the champion in the window; ``reference_rows``: rows of its training data.
    :param compared_rows, reference_compared_rows: rows that went into the comparison, a sample with a fixed
        seed when there are more than the bound.
    :param share: drifted columns / watched columns; a column counts once, whether its values or its missing
        rate moved.
    :param set_aside: captured requests that were left out, by reason.
    :param report_html, report_json: hashes of Evidently's report as blobs; None when nothing was compared.
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
    missing: tuple[MissingRate, ...] = ()
    share: float = 0.0
    share_limit: float
    set_aside: dict[str, int] = Field(default_factory=dict)
    report_html: str | None = None
    report_json: str | None = None
    created_at: datetime

    @property
    def findings(self) -> tuple[ColumnDrift | MissingRate, ...]:
        """All that drifted, the strongest first."""
        looked_at: tuple[ColumnDrift | MissingRate, ...] = (*self.columns, *self.missing)
        return tuple(sorted((one for one in looked_at if one.drifted), key=lambda one: -one.strength))

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the drifted columns, the strongest first."""
        return tuple(dict.fromkeys(one.column for one in self.findings))


class RetrainDecision(Record):
    """Whether the evidence asks for retraining, why, and because of which columns (the strongest first)."""

    retrain: bool
    reasons: tuple[str, ...]
    columns: tuple[str, ...] = ()


class MonitoringEntry(Record):
    """One entry of the log ``models/<model>/monitoring``.

    :param report: hash of the :class:`DriftReport` as a blob.
    :param run: key of the Airflow run that looked; a retry finds its own entry.
    """

    report: str
    champion: int | None
    outcome: Outcome
    share: float
    columns: tuple[str, ...]
    retrain: bool
    reason: str
    since: datetime
    until: datetime
    run: str
    at: datetime
