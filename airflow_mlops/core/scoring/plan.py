"""What one scoring does: which rows, predicted by whom, with which columns beside. Known before a row is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from airflow_mlops.core.data.files import check_columns
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.scoring.choosing import Choice, choose
from airflow_mlops.core.scoring.origin import source_of
from airflow_mlops.core.scoring.record import ADDED, Scored
from airflow_mlops.core.scoring.source import scoring_of
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True)
class Plan:
    """One scoring, before it is done.

    :param source: the version whose files hold the rows: the dataset itself, or that which others were joined to.
    :param at: the time of the run by its schedule, which is written beside each prediction.
    :param columns: of the dataset that stand beside each prediction: the row's id, the carried ones, the event time.
    """

    model: str
    dataset: DatasetVersion
    source: DatasetVersion
    choice: Choice
    at: datetime
    columns: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """All columns that are read."""
        return tuple(dict.fromkeys((*self.choice.needs, *self.columns)))

    @cached_property
    def content(self) -> str:
        """Hash of the period, and of the files with rows in it."""
        dataset = self.dataset
        window = [str(one) for one in (dataset.event_time, dataset.since, dataset.until)]
        files = [[one.source, one.sha256] for one in dataset.files]
        return hashlib.sha256(json.dumps([window, files]).encode()).hexdigest()

    def describes(self, entry: Scored) -> bool:
        """Whether an entry holds the same rows, predicted by the same, with the same columns."""
        asked = (self.content, self.choice.version, self.choice.rule, self.columns)
        return asked == (entry.content, entry.version, entry.rule, entry.columns)


def plan_scoring(
    store: Store, spec: ModelSpec, dataset: DatasetVersion, *, at: datetime, version: int | None = None
) -> Plan:
    """Choose who predicts the rows of ``dataset``, and see that they carry what that takes.

    :param at: the time of the run by its schedule; the champion right before it predicts.
    :param version: predicts instead of the champion.
    :raises RegistryError: if nobody can predict.
    :raises DataError: if a column is missing; names it, and who needs it.
    :raises SpecError: if a column is named like one of ours.
    """
    scoring = scoring_of(spec)
    choice = choose(store, spec.name, at, version)
    there = [column.name for column in dataset.columns]
    ours = [name for name in (spec.data.id, *scoring.carry, dataset.event_time) if name in ADDED]
    if ours:
        raise SpecError(
            f"scoring: column {ours[0]} has the name of one of ours",
            expected=f"none of {', '.join(ADDED)}",
            remedy="rename it at its source",
        )
    wanted = {**dict.fromkeys(scoring.carry, "scoring.carry"), **choice.needs}
    source = source_of(store, dataset)
    check_columns(wanted, there, f"the data to score, {_place(source)},")
    identity = [spec.data.id] if spec.data.id in there else []
    columns = tuple(dict.fromkeys((*(one for one in identity if one), *scoring.carry, dataset.event_time)))
    return Plan(spec.name, dataset, source, choice, at, columns)


def entry_of(entries: Sequence[tuple[int, Scored]], plan: Plan) -> tuple[int, Scored] | None:
    """The entry that says what the plan would say, and that no other one has taken the place of since.

    :param entries: of the log, oldest first, with their numbers.
    """
    same = [(number, entry) for number, entry in entries if plan.describes(entry)]
    for number, entry in reversed(same):
        if entry.scored_at == plan.at or not _replaced(number, entry, entries, plan.at):
            return number, entry
    return None


def _replaced(number: int, entry: Scored, entries: Iterable[tuple[int, Scored]], at: datetime) -> bool:
    """Whether a newer entry, up to a time, is about some of the same rows."""
    sources = set(entry.sources)
    return any(
        (entry.scored_at, number) < (other.scored_at, place)
        and other.scored_at <= at
        and overlap(entry, other)
        and not sources.isdisjoint(other.sources)
        for place, other in entries
    )


def overlap(one: Scored, other: Scored) -> bool:
    """Whether two entries are about a common time."""
    starts = [entry.since for entry in (one, other) if entry.since is not None]
    ends = [entry.until for entry in (one, other) if entry.until is not None]
    return not starts or not ends or max(starts) < min(ends)


def _place(dataset: DatasetVersion) -> str:
    more = f" and {len(dataset.files) - 1} files like it" if len(dataset.files) > 1 else ""
    return f"{dataset.files[0].source}{more}"
