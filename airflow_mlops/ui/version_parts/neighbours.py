"""The versions beside one: what a reader turns to, and what its data are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.core.registry.version import version_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse


@dataclass(frozen=True)
class Neighbours:
    """Numbers of the version before and after one, None where there is none."""

    before: int | None
    after: int | None


def neighbours(store: Store, model: str, number: int) -> Neighbours:
    """The versions beside one. Numbers have no gaps, so that one look-up tells."""
    later = store.exists(version_log(store, model).key(number + 1))
    return Neighbours(number - 1 if number > 1 else None, number + 1 if later else None)


def data_before(store: Store, model: str, number: int) -> tuple[int, DatasetVersion] | None:
    """The version before one and the data that it learned from; None where there are none, or they can't be read."""
    if number == 1:
        return None
    try:
        ref = version_log(store, model).read(number - 1).dataset
        key = dataset_key(ref.name, ref.id)
        return number - 1, parse(store.read(key), DatasetVersion, key)
    except MlopsError:
        return None
