"""The table of a model's captured answers and their ground truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.monitoring.answers.days import Days, days_between
from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.reading import Asked, Reading
from airflow_mlops.core.monitoring.answers.records import Entry, Maturity, TakenIn, answers_log
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.core.serving.base import Endpoint

#: A server ships what it captured within 8 seconds, to S3, and the store takes a moment.
SHIPPED = timedelta(seconds=15)


def settled_at(until: datetime, endpoint: Endpoint | None = None) -> datetime:
    """From when on a look at answers before ``until`` sees them all, and so the same as any later look.

    A scheduled look waits until then; a backfill is long past it. It takes :data:`SHIPPED`, and with SageMaker's
    ``endpoint`` the minutes until CloudWatch has counted failed requests
    (:meth:`~airflow_mlops.core.serving.base.Endpoint.certain_until`). What is held up for longer, by a store that was
    away, is in the table from the next take-in on: a later look at the period counts it.
    """
    lag = until - endpoint.certain_until(until) if endpoint is not None else timedelta(0)
    return until + max(lag, timedelta(0)) + SHIPPED


@dataclass(frozen=True)
class TableFiles:
    """Where the Parquet files of some days are, for other tools: paths, or ``s3://`` URIs.

    :param rows: answered rows; ``labels``: all labels of the same days, corrected ones too.
    """

    rows: tuple[str, ...]
    labels: tuple[str, ...]


class AnswersTable:
    """All captured answers of a model, with what became known about them later.

    One row per row of a captured request: the request's columns under their own names (one that begins with ``_``
    gets one more in front), and ours: ``_inference_id, _row, _event_id, _at, _variant, _role, _chosen, _deployment,
    _status, _latency_ms, _prediction`` (null where the answer failed), ``_label`` and ``_label_at`` (null as long as
    they are not known). A captured request of which no row is known, as SageMaker counts failures, is one row whose
    columns are null. See :mod:`~airflow_mlops.core.monitoring.answers.columns` for types.

    Every method that reads sees the table as the newest :meth:`take_in` left it.
    """

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._model = model
        self._files = Files(store, model)
        self._log = answers_log(store, model)

    def take_in(
        self,
        endpoint: Endpoint,
        *,
        until: datetime,
        progress: Progress = ignore,
        since: datetime | None = None,
        now: datetime | None = None,
    ) -> TakenIn:
        """Add what was captured, and what labels have come, since the last time; each of them once.

        It may be called again at any time, by several tasks, and after being killed. All that is there is added, with
        answers from after ``until`` too: a read of an earlier period never shows them. Files are found that came up to
        :data:`~.position.CAPTURES_LATE` (labels: :data:`~.position.LABELS_LATE`) after their time.

        :param until: the end of the period that is looked at.
        :param since: look at captures and labels from then on again, for files that came even later; what is there
            already is not added twice.
        :param now: the time, against which clocks are called wrong; counted only.
        :raises LogConflict: if others are faster again and again.
        :raises DataError: if a time has no zone.
        """
        from airflow_mlops.core.monitoring.answers.take_in import take_in

        _require_zone(until, since)
        return take_in(
            self._store,
            self._model,
            endpoint,
            until=until,
            since=since,
            now=now or utc_now(),
            progress=progress,
        )

    def last(self) -> TakenIn | None:
        """What the newest take-in that found something has added; None before the first one."""
        newest = self._log.newest()
        return newest[1].taken if newest is not None else None

    def read(
        self,
        since: datetime,
        until: datetime,
        *,
        variant: str | None = None,
        role: str | None = None,
        as_of: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """The rows of answers with since <= t < until, in the order of their times (then of event ids and rows).

        :param as_of: the newest label of at most this time counts; without it, of any time. Of two labels of a row
            with the same time the larger one counts, whichever came first.
        :param columns: the columns to read, in their order; all without any: ours first, then the requests' by name.
            One that no request has is all null.
        :raises DataError: if a time has no zone.
        :raises IntegrityError: if a file was changed.
        """
        import pyarrow as pa

        reading, _ = self._reading()
        asked = _asked(since, until, variant, role, as_of)
        return pa.Table.from_batches(reading.batches(asked, columns), reading.schema(asked, columns))

    def batches(
        self,
        since: datetime,
        until: datetime,
        *,
        variant: str | None = None,
        role: str | None = None,
        as_of: datetime | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of :meth:`read`, a batch at a time, in bounded memory. Without rows, no batch."""
        reading, _ = self._reading()
        return reading.batches(_asked(since, until, variant, role, as_of), columns)

    def maturity(
        self,
        since: datetime,
        until: datetime,
        *,
        as_of: datetime | None = None,
        by: timedelta = timedelta(days=1),
        variant: str | None = None,
        role: str | None = None,
    ) -> tuple[Maturity, ...]:
        """How many answered rows of each period have labels, oldest first; also periods without rows are there.

        :param by: the length of a period, from ``since`` on.
        :param role: without one, answers of shadows don't count.
        :raises DataError: if a time has no zone, or there are too many periods.
        """
        from airflow_mlops.core.monitoring.answers.maturity import maturity_of

        reading, entry = self._reading()
        waiting = self._files.read("waiting", "", entry.waiting) if entry and entry.waiting else None
        return maturity_of(reading, _asked(since, until, variant, role, as_of), by, waiting)

    def files(self, since: datetime, until: datetime) -> TableFiles:
        """The Parquet files of the days that have a part in [since, until), for DuckDB, Polars and others.

        Only these make up the table: a listing of the folder may show others that don't count.
        """
        _require_zone(since, until)
        _, days, refs = self._opened()
        found = [(day, days.of(day)) for day in days_between(refs, since, until)]
        return TableFiles(
            tuple(self._files.uri("rows", day, part.sha256) for day, one in found for part in one.rows),
            tuple(self._files.uri("labels", day, part.sha256) for day, one in found for part in one.labels),
        )

    def span(self) -> tuple[datetime, datetime] | None:
        """The times of the first and the last answer; None of an empty table."""
        _, days, _ = self._opened()
        names = [day for day in days if days.of(day).rows]
        if not names:
            return None
        first, last = days.of(names[0]).rows, days.of(names[-1]).rows
        return min(part.first for part in first), max(part.last for part in last)

    def _reading(self) -> tuple[Reading, Entry | None]:
        entry, days, refs = self._opened()
        return Reading(self._files, days, refs), entry

    def _opened(self) -> tuple[Entry | None, Days, dict[str, str]]:
        newest = self._log.newest()
        entry = newest[1] if newest is not None else None
        refs = dict(entry.days) if entry is not None else {}
        return entry, Days(self._store, self._files, refs), refs


def _asked(
    since: datetime, until: datetime, variant: str | None, role: str | None, as_of: datetime | None
) -> Asked:
    _require_zone(since, until, as_of)
    return Asked(since, until, variant, role, as_of)


def _require_zone(*times: datetime | None) -> None:
    for at in times:
        if at is not None and at.tzinfo is None:
            raise DataError("time has no zone", given=at, expected="an aware time, e.g. in UTC")
