"""Which dataset versions a store has, and which model versions learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from airflow_mlops.core.data.catalog import list_versions, made_of
from airflow_mlops.core.data.pin import Pin
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.lineage.graph.index import Index
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Store


class DatasetSummary(Record):
    """A data set. :param used_by: models that learned from any of its versions. :param rows: of the newest version."""

    name: str
    versions: int
    newest: str
    taken: datetime
    rows: int | None
    used_by: tuple[str, ...]


class VersionUse(Record):
    """A dataset version.

    :param rows, files, first_event, last_event: None for one that was pinned and that nobody has read.
    :param used_by: model versions that learned from it, as ``model:number``.
    """

    name: str
    id: str
    taken: datetime
    rows: int | None = None
    files: int | None = None
    first_event: datetime | None = None
    last_event: datetime | None = None
    made_of: str
    used_by: tuple[str, ...]


def data_sets(store: Store) -> tuple[list[DatasetSummary], tuple[str, ...]]:
    """All data sets by name, and the keys of records that are lost or damaged."""
    index = Index(store)
    return _summaries(index), index.unread


def versions_of(store: Store, name: str) -> tuple[list[VersionUse], tuple[str, ...]]:
    """The versions of a data set, the oldest first, and the keys of records that are lost or damaged.

    :raises DataError: if there is none.
    :raises StoreError: if one can't be read.
    """
    index = Index(store)
    used = _used_by(index)
    return [_version(one, used) for one in list_versions(store, name)], index.unread


def _used_by(index: Index) -> dict[tuple[str, str], list[str]]:
    """The model versions that learned from each dataset version."""
    found: dict[tuple[str, str], list[str]] = {}
    for model in index.models:
        for number, version in index.versions(model).numbered():
            found.setdefault(version.dataset.pair, []).append(f"{model}:{number}")
    return found


def _summaries(index: Index) -> list[DatasetSummary]:
    used = _used_by(index)
    by_name: dict[str, list[str]] = {}
    for (name, _), cited in used.items():
        by_name.setdefault(name, []).extend(one.rpartition(":")[0] for one in cited)
    found = []
    for name in sorted({one.name for one in index.datasets.all}):
        versions = [one for one in index.datasets.all if one.name == name]
        newest = max(versions, key=lambda one: (one.created_at, one.id))
        found.append(
            DatasetSummary(
                name=name,
                versions=len(versions),
                newest=newest.id,
                taken=newest.created_at,
                rows=newest.rows,
                used_by=tuple(sorted(set(by_name.get(name, ())))),
            )
        )
    return found


def _version(version: DatasetVersion | Pin, used: Mapping[tuple[str, str], Sequence[str]]) -> VersionUse:
    users = tuple(used.get((version.name, version.id), ()))
    if not isinstance(version, DatasetVersion):
        return VersionUse(
            name=version.name, id=version.id, taken=version.created_at, made_of=version.format, used_by=users
        )
    return VersionUse(
        name=version.name,
        id=version.id,
        taken=version.created_at,
        rows=version.rows,
        files=len(version.files),
        first_event=version.first_event,
        last_event=version.last_event,
        made_of=made_of(version),
        used_by=users,
    )
