"""Taking in what has come since the last time: files first, then the entry of the log that makes them count."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import LogConflict
from airflow_mlops.core.monitoring.answers.days import Days
from airflow_mlops.core.monitoring.answers.labels import LabelsIntake
from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.position import position_of, readers
from airflow_mlops.core.monitoring.answers.records import Entry, TakenIn, answers_log
from airflow_mlops.core.monitoring.answers.rows import RowsIntake
from airflow_mlops.core.monitoring.answers.times import TimesOfVersions
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.serving.ground_truth import read_ground_truth
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    from airflow_mlops.core.serving.base import Endpoint

#: So many others may be faster before this one gives up.
_TRIES = 10
_TOLD_EVERY = 500_000


def take_in(
    store: Store,
    model: str,
    endpoint: Endpoint,
    *,
    until: datetime,
    since: datetime | None,
    now: datetime,
    progress: Progress,
) -> TakenIn:
    """See :meth:`AnswersTable.take_in`."""
    log = answers_log(store, model)
    for _ in range(_TRIES):
        newest = log.newest()
        number, before = newest if newest is not None else (0, None)
        with tempfile.TemporaryDirectory(prefix="airflow-mlops-answers-") as scratch:
            work = _Work(store, model, before, until, since, now, Path(scratch), progress)
            entry = work.run(endpoint)
        if before is not None and _same(entry, before):
            return entry.taken
        try:
            log.append(entry, after=number)
            return entry.taken
        except LogConflict:
            progress("another take-in was faster; going on from where it ended")
    raise LogConflict(
        f"answers of {model} are taken in by others all the time",
        given=f"{_TRIES} tries",
        remedy="let one task take them in",
    )


def _same(entry: Entry, before: Entry) -> bool:
    """Whether there was nothing to take in."""
    reached = entry.position.model_copy(update={"until": before.position.until})
    return entry.model_copy(update={"taken": before.taken, "position": reached}) == before


class _Work:
    """One try."""

    def __init__(
        self,
        store: Store,
        model: str,
        before: Entry | None,
        until: datetime,
        since: datetime | None,
        now: datetime,
        scratch: Path,
        progress: Progress,
    ) -> None:
        self._store = store
        self._model = model
        self._before = before
        self._asked_until = until
        self._until = max(until, before.position.until) if before is not None else until
        self._progress = progress
        self._captures, self._truth = readers(store, before.position if before is not None else None, since)
        files = Files(store, model)
        self._days = Days(store, files, before.days if before is not None else {})
        self._rows = RowsIntake(files, self._days, TimesOfVersions(store, model), now, scratch)
        self._labels = LabelsIntake(files, self._days, now, self._until, scratch)

    def run(self, endpoint: Endpoint) -> Entry:
        """Write the files, and return the entry that makes them count."""
        told = 0
        for came in self._rows.take(endpoint.captures(self._captures.since, self._captures.cursor)):
            if came - told >= _TOLD_EVERY:
                told = came
                self._progress(f"read {came:,} captured answers of {self._model}")
        cursor = self._truth.cursor
        labels = read_ground_truth(self._store, self._model, self._truth.since, cursor=cursor)
        for came in self._labels.take(labels):
            self._progress(f"read {came:,} labels of {self._model}")
        waiting = self._labels.place(self._before.waiting if self._before is not None else None)
        for day in self._days.changed:
            self._days.compact(day, self._rows.merge, self._labels.merge)
        position = position_of(self._captures, self._truth, self._until)
        return Entry(taken=self._taken(), position=position, days=self._days.kept(), waiting=waiting)

    def _taken(self) -> TakenIn:
        rows, labels = self._rows, self._labels
        return TakenIn(
            until=self._asked_until,
            answers=rows.answers,
            rows=rows.rows,
            duplicates=rows.duplicates,
            ahead=rows.ahead,
            labels=labels.labels,
            repeated=labels.repeated,
            corrected=labels.corrected,
            skewed=labels.skewed,
            unknown=labels.unknown,
            given_up=labels.given_up,
            broken=self._captures.cursor.broken + self._truth.cursor.broken,
        )
