"""The record of a dataset version: the exact bytes, and what is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import PrivateAttr

from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    from airflow_mlops.core.data.source import DataRoot


class DataFile(Record):
    """One file of a dataset version, pinned by its content.

    :param source: where the snapshot found it, relative to the data root.
    :param sha256: hash of its bytes; without a ``version_id`` they lie in the store as a blob of this hash.
    :param rows: all its rows, also those outside of the version's window.
    :param partition: values of the columns that stand in the log of a table and not in the file, as text.
    :param deleted: hash of a blob that says which rows of a table's file are deleted, as packed bits.
    :param version_id: S3's version of the object ``source`` below the version's ``root``, where the bytes lie.
    """

    source: str
    sha256: str
    size: int
    rows: int
    version_id: str | None = None
    partition: dict[str, str | None] | None = None
    deleted: str | None = None


class Column(Record):
    """One column and its statistics over the rows of the version.

    :param type: its Arrow type as the version is read (the event time in UTC, decimals as doubles).
    :param nulls: missing values; a NaN counts as one.
    :param distinct: number of distinct values, None above 1000.
    :param min, max: of numbers, and of times as ISO 8601; infinities are left out, as they are of ``mean``.
        Numbers from ten million on are written to two digits, outward: long ones name people.
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

    :param kind: ``join``, ``quarantine`` (bad rows left out), ``privacy``, ``review`` (labels corrected) or ``erasure``
        (the rows of a person left out).
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


class QueryRef(Record):
    """The SQL query whose rows were stored, and the Airflow connection that it ran on."""

    connection: str
    sql: str


class TableRef(Record):
    """The version of a Delta Lake table whose files were pinned where they lie.

    :param folder: where the table lies below the version's ``root``.
    :param id: the table's own id.
    :param version: the number of its version.
    :param columns: its Arrow schema, serialized, in base64.
    """

    folder: str
    id: str
    version: int
    columns: str


@dataclass(frozen=True)
class _Source:
    """Where a version is read from: no part of the record, and not compared with it."""

    root: DataRoot | None = field(default=None, compare=False)


class DatasetVersion(Record):
    """A manifest that pins exact bytes.

    :param id: a hash of what is pinned: the same bytes and window give the same version.
    :param files: those with rows in the window, in the order of their names.
    :param rows: rows in the window.
    :param since, until: the window of event time that belongs to it (since <= t < until), None is open.
    :param root: URI below which the objects lie that are pinned by their ``version_id``, None if there are none.
    :param query: where its rows came from, None for files.
    :param table: the table whose files it pins, which are read in place.
    :param derivation: how it was made of other versions, None for a snapshot.
    :param restricted: whether each reading of it is noted in the audit log.
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
    root: str | None = None
    query: QueryRef | None = None
    table: TableRef | None = None
    derivation: Derivation | None = None
    restricted: bool = False
    _source: _Source = PrivateAttr(default_factory=_Source)

    @property
    def ref(self) -> DatasetRef:
        """How other records name it."""
        return DatasetRef(name=self.name, id=self.id)

    @property
    def source_root(self) -> DataRoot | None:
        """The data root that it was bound to."""
        return self._source.root

    def bound(self, root: DataRoot | None) -> DatasetVersion:
        """The same version, whose pinned objects are read with the client of ``root``."""
        version = self.model_copy()
        version._source = _Source(root)
        return version


def restriction(restricted: bool) -> dict[str, bool]:
    """What a restriction adds to the things that a version's id is a hash of: nothing without one, as ever."""
    return {"restricted": True} if restricted else {}


def dataset_key(name: str, version_id: str) -> str:
    """Store key of a manifest."""
    return f"datasets/{name}/{version_id}.json"
