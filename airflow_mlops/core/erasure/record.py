"""What an erasure took out: the tombstones that keep the rest of the record readable."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log, Store


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
    :param retrain: model versions that learned from such rows; the champion among them has to be retrained.
    """

    subject: str
    state: Literal["began", "done"]
    tombstones: tuple[Tombstone, ...]
    elsewhere: dict[str, int] = Field(default_factory=dict)
    retrain: tuple[int, ...] = ()
    who: str
    why: str
    run: str | None = None
    at: datetime


def erasure_log(store: Store, model: str) -> Log[Erasure]:
    """The log of all erasures in a model's data."""
    return Log(store, f"models/{model}/erasures", Erasure)
