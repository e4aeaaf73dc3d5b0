"""What a scoring leaves: files of predictions by day, and an entry of the log that says which are current."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from pydantic import Field

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.spec import Fallback

PREDICTION: Final = "_prediction"
VERSION: Final = "_version"
VARIANT: Final = "_variant"
DATASET: Final = "_dataset"
SCORED_AT: Final = "_scored_at"
FILE: Final = "_file"
ROW: Final = "_row"
#: Columns of ours, at the end of every file of predictions.
ADDED: Final = (PREDICTION, VERSION, VARIANT, DATASET, SCORED_AT, FILE, ROW)


class Partition(Record):
    """One Parquet file: the predictions of one scoring for the rows of one day.

    :param day: of their event times, in UTC.
    :param key: where the file lies in the store; nothing is ever written there again.
    :param sha256: hash of its bytes.
    """

    day: date
    key: str
    sha256: str
    rows: int


class Scored(Record):
    """One entry of the log ``models/<model>/predictions``: rows of a source that were predicted together.

    :param dataset: the version of the source's files.
    :param since, until: event times that were asked for (since <= t < until), None is open.
    :param content: hash of what was scored: the period, and the files with rows in it, by their content. On a versioned
        bucket a dataset version has another id as soon as any object is new; this stays.
    :param sources: the files whose rows of that time were scored, relative to the data root.
    :param version: that predicted, None while the fallback rule answered.
    :param variant: ``v<version>`` or ``fallback``.
    :param rule: the fallback rule, where it answered.
    :param columns: of the source that stand beside each prediction, in their order.
    :param event_time: which of them is the time of a row.
    :param scored_at: the time of the run by its schedule, at which ``version`` was the champion.
    :param rows: that were predicted.
    :param set_aside: rows that could not be, and ``reasons`` how many for which reason.
    :param quarantine: hash of a Parquet blob with those rows.
    :param run: key of the Airflow run that made it, and ``by`` who asked for it.
    """

    model: str
    dataset: DatasetRef
    since: datetime | None
    until: datetime | None
    content: str
    sources: tuple[str, ...]
    version: int | None
    variant: str
    rule: Fallback | None = None
    columns: tuple[str, ...]
    event_time: str
    scored_at: datetime
    rows: int
    set_aside: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    quarantine: str | None = None
    partitions: tuple[Partition, ...]
    run: str | None = None
    by: str

    @property
    def days(self) -> tuple[date, ...]:
        """The days that it has predictions for."""
        return tuple(one.day for one in self.partitions)


def predictions_log(store: Store, model: str) -> Log[Scored]:
    """The log of a model's scorings."""
    return Log(store, f"models/{model}/predictions", Scored)


def partition_prefix(model: str, day: date) -> str:
    """Where the predictions for a day lie."""
    return f"predictions/{model}/date={day.isoformat()}"
