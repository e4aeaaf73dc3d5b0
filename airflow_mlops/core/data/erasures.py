"""The log of erasures: what was taken out of the data of a model, so that whoever misses it is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

from pydantic import Field

from airflow_mlops.core.data.version import DataFile, DatasetRef, DatasetVersion
from airflow_mlops.core.errors import DataErased
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.log import Log
from airflow_mlops.core.wording import day


class Tombstone(Record):
    """One dataset version that held rows of the person.

    :param rows: how many were taken out of it.
    :param replaced_by: the version with the other rows, None where none was left.
    :param blobs: hashes of the files that were removed from the store.
    :param outside: URIs of files with such rows that the version pins where they lie: their owner must delete them.
    """

    dataset: DatasetRef
    rows: int
    replaced_by: DatasetRef | None = None
    blobs: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()


class Erasure(Record):
    """One request to erase a person.

    :param subject: keyed hash (HMAC-SHA256) of the person's id; the id itself stands nowhere.
    :param state: ``began`` is written before anything is removed, ``done`` when all is.
    :param tombstones: what was taken out of dataset versions.
    :param elsewhere: rows taken out of captures, answers, predictions and quarantines, by place.
    :param blobs: hashes of other blobs that were removed (quarantines, review files, reports), each with the hash of
        the one that holds its other rows, None where there is none.
    :param rewrites: keys of captures and labels whose lines go, each with the hash of a blob that holds the other lines
        until they are in place, None where no line is left.
    :param left: places that name the person, or may, and that nothing can be taken out of; in words.
    :param retrain: model versions that learned from such rows; the champion among them has to be retrained.
    """

    subject: str
    state: Literal["began", "done"]
    tombstones: tuple[Tombstone, ...]
    elsewhere: dict[str, int] = Field(default_factory=dict)
    blobs: dict[str, str | None] = Field(default_factory=dict)
    rewrites: dict[str, str | None] = Field(default_factory=dict)
    left: tuple[str, ...] = ()
    retrain: tuple[int, ...] = ()
    who: str
    why: str
    run: str | None = None
    at: datetime

    @property
    def removed(self) -> frozenset[str]:
        """Hashes of all blobs that it took out of the store."""
        return frozenset(self.blobs) | {one for stone in self.tombstones for one in stone.blobs}


def erasure_log(store: Store, model: str) -> Log[Erasure]:
    """The log of all erasures in a model's data."""
    return Log(store, f"models/{model}/erasures", Erasure)


def why_erased(store: Store, ref: DatasetRef) -> DataErased | None:
    """What to say of bytes that a dataset version lacks; None if nothing was erased from it."""
    for number, erasure, stone in reversed(list(_stones(store, ref.name))):
        if stone.dataset == ref:
            other = f"{stone.replaced_by.name}@{stone.replaced_by.id}" if stone.replaced_by else None
            return DataErased(
                f"rows of dataset version {ref.name}@{ref.id} were erased on {day(erasure.at)} by {erasure.who} "
                f"(request {number} of {_model_of(ref.name)})",
                replaced_by=other,
                remedy=f"{other} holds the other rows" if other else "no other row was left",
            )
    return None


def refuse_erased(store: Store, name: str, files: Iterable[DataFile], root: str | None = None) -> None:
    """Refuse files that hold rows of a person who was erased: their source was not cleaned yet.

    :param name: of the data set.
    :param files: those of a new version, before it is stored.
    :param root: URI below which they lie that are pinned in place.
    :raises DataErased: naming the first one.
    """
    gone: dict[str, tuple[Erasure, Tombstone]] = {}
    for _, erasure, stone in _stones(store, name):
        gone.update(dict.fromkeys((*stone.blobs, *stone.outside), (erasure, stone)))
    if not gone:
        return
    for file in files:
        found = gone.get(file.sha256) or gone.get(outside_uri(root or "", file))
        if found is None:
            continue
        erasure, stone = found
        other = f"{stone.replaced_by.name}@{stone.replaced_by.id}" if stone.replaced_by else None
        raise DataErased(
            f"{file.source} still holds rows that were erased from {name} on {day(erasure.at)}",
            replaced_by=other,
            remedy="delete them at the source" + (f", or go on with version {other}" if other else ""),
        )


def outside_uri(root: str, file: DataFile) -> str:
    """The address of a file that a version pins where it lies."""
    version = f"?versionId={file.version_id}" if file.version_id else ""
    return f"{root}/{file.source}{version}"


def is_outside(version: DatasetVersion, file: DataFile) -> bool:
    """Whether a file lies where it was found, and not in the store."""
    return file.version_id is not None or version.table is not None


def _stones(store: Store, name: str) -> Iterator[tuple[int, Erasure, Tombstone]]:
    for number, erasure in erasure_log(store, _model_of(name)).entries():
        for stone in erasure.tombstones:
            yield number, erasure, stone


def _model_of(name: str) -> str:
    """The model that a data set belongs to: ``orders__weather`` is joined to ``orders``."""
    return name.partition("__")[0]
