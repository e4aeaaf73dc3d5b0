"""What the log of answers keeps: which files the table is made of, and what each take-in added."""

from __future__ import annotations

from datetime import datetime, timezone

from pydantic import Field

from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.wording import period


class RowsPart(Record):
    """A Parquet file of answered rows of one day.

    :param sha256: of the file, and its name; ``index``: of the file with the hashes of its ids.
    :param first, last: times of its first and its last answer.
    :param columns: the requests' columns in the file, behind ours, with their types.
    """

    sha256: str
    index: str
    rows: int
    answers: int
    first: datetime
    last: datetime
    columns: tuple[tuple[str, str], ...]


class LabelsPart(Record):
    """A Parquet file of labels of answers of one day; ``index`` as of :class:`RowsPart`."""

    sha256: str
    index: str
    rows: int


class Day(Record):
    """The files of the answers of one day (UTC)."""

    rows: tuple[RowsPart, ...] = ()
    labels: tuple[LabelsPart, ...] = ()


class Failures(Record):
    """Failed requests of one minute that SageMaker has captured; see ``Cursor.failures``."""

    variant: str
    minute: datetime
    count: int


class Position(Record):
    """How far captures and labels were read.

    :param until: of the take-in that got furthest.
    :param captures, labels: by day, the hash of the blob with the cursor's marks.
    """

    until: datetime
    captures: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    failures: tuple[Failures, ...] = ()


class TakenIn(Record):
    """What one take-in added to the table; see :attr:`said`.

    :param answers: new answers, and ``rows`` their rows; ``duplicates``: answers that were there already.
    :param ahead: new answers whose time is in the future.
    :param labels: new labels; ``repeated``: labels that were there already, word for word.
    :param corrected: new labels of rows that have another one.
    :param skewed: labels of a time before their answer, or in the future.
    :param unknown: labels that wait for an answer with their inference id, all of them.
    :param given_up: labels that have waited for longer than :data:`~.labels.WAITS` and were let go.
    :param broken: lines that can't be read, in new files.
    """

    until: datetime
    answers: int = 0
    rows: int = 0
    duplicates: int = 0
    ahead: int = 0
    labels: int = 0
    repeated: int = 0
    corrected: int = 0
    skewed: int = 0
    unknown: int = 0
    given_up: int = 0
    broken: int = 0

    @property
    def said(self) -> str:
        """One line in words; what did not happen is not in it."""
        main = f"{self.answers:,} answers with {self.rows:,} rows and {self.labels:,} labels taken in"
        rest = (
            (self.duplicates, "answers were there already"),
            (self.ahead, "answers are of the future"),
            (self.repeated, "labels were there already"),
            (self.corrected, "labels correct another"),
            (self.skewed, "labels have a time that can't be right"),
            (self.unknown, "labels wait for their answer"),
            (self.given_up, "labels were given up"),
            (self.broken, "lines can't be read"),
        )
        return "; ".join([main, *(f"{count:,} {what}" for count, what in rest if count)])


class Entry(Record):
    """One entry of the log: the whole table as of then.

    :param days: by day (``yyyy-mm-dd``), the hash of its :class:`Day` as a blob.
    :param waiting: hash, and name, of the file of labels without an answer; None without any.
    """

    taken: TakenIn
    position: Position
    days: dict[str, str] = Field(default_factory=dict)
    waiting: str | None = None


class Maturity(Record):
    """How many of a period's rows have labels.

    :param rows: answered rows, those of shadows left out unless they were asked for; ``labelled``: those with a label.
    :param corrected: rows with several different labels; ``skewed``: with a label from before their answer.
    :param unknown: labels of the period for inference ids that no answer has.
    """

    since: datetime
    until: datetime
    as_of: datetime | None
    rows: int
    labelled: int
    corrected: int = 0
    skewed: int = 0
    unknown: int = 0

    @property
    def share(self) -> float:
        """Share of the rows with labels, 0 to 1; 0 without rows."""
        return self.labelled / self.rows if self.rows else 0.0

    @property
    def said(self) -> str:
        """``94 % of Tue 3 March 2026 has labels``; for what is no whole day, from when to when."""
        period = _period(self.since, self.until)
        if not self.rows:
            return f"{period} has no answered rows"
        return f"{_percent(self.labelled, self.rows)} of {period} has labels"


def answers_log(store: Store, model: str) -> Log[Entry]:
    """The log of the take-ins of a model."""
    return Log(store, f"models/{model}/answers", Entry)


def _percent(part: int, whole: int) -> str:
    """Rounded down, as 99.9 % is not all; and not to 0 where there is something."""
    return "under 1 %" if 0 < 100 * part < whole else f"{100 * part // whole} %"


def _period(since: datetime, until: datetime) -> str:
    since, until = since.astimezone(timezone.utc), until.astimezone(timezone.utc)
    midnight = since.hour == since.minute == since.second == since.microsecond == 0
    if midnight and (until - since).total_seconds() == 86_400:
        return f"{since:%a} {since.day} {since:%B %Y}"
    return f"{period(since, until)} UTC"
