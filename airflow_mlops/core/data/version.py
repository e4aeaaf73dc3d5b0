"""The record of a dataset version: the exact bytes, and what is in them."""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.record import Record


class DataFile(Record):
    """One file of a dataset version, pinned by its content.

    :param source: where the snapshot found it, relative to the data root.
    :param sha256: hash of its bytes; they lie in the store as a blob of this hash.
    :param rows: all its rows, also those outside of the version's window.
    """

    source: str
    sha256: str
    size: int
    rows: int


class Column(Record):
    """One column and its statistics over the rows of the version.

    :param type: its Arrow type as the version is read (the event time in UTC, decimals as doubles).
    :param nulls: missing values; a NaN counts as one.
    :param distinct: number of distinct values, None above 1000.
    :param min, max: of numbers, and of times as ISO 8601; infinities are left out, as they are of ``mean``.
    """

    name: str
    type: str
    nulls: int
    distinct: int | None = None
    min: float | str | None = None
    max: float | str | None = None
    mean: float | None = None


class DatasetRef(Record):
    """How other records name a dataset version."""

    name: str
    id: str


class Derivation(Record):
    """How a dataset version was made of others.

    :param kind: ``join``, ``quarantine`` (bad rows left out), ``privacy`` or ``review`` (labels corrected).
    :param parents: the versions it was made of, the one whose rows it holds first.
    :param details: hash of a blob that says what was changed, None where ``note`` says it all.
    :param by: who asked for it, a person or a task.
    :param note: one line in words.
    """

    kind: str
    parents: tuple[DatasetRef, ...]
    details: str | None = None
    by: str
    note: str


class DatasetVersion(Record):
    """A manifest that pins exact bytes.

    :param id: a hash of what is pinned: the same bytes and window give the same version.
    :param files: those with rows in the window, in the order of their names.
    :param rows: rows in the window.
    :param since, until: the window of event time that belongs to it (since <= t < until), None is open.
    :param derivation: how it was made of other versions, None for a snapshot.
    """

    name: str
    id: str
    format: str
    files: tuple[DataFile, ...]
    rows: int
    columns: tuple[Column, ...]
    event_time: str
    first_event: datetime
    last_event: datetime
    since: datetime | None = None
    until: datetime | None = None
    created_at: datetime
    derivation: Derivation | None = None

    @property
    def ref(self) -> DatasetRef:
        """How other records name it."""
        return DatasetRef(name=self.name, id=self.id)


def dataset_key(name: str, version_id: str) -> str:
    """Store key of a manifest."""
    return f"datasets/{name}/{version_id}.json"
