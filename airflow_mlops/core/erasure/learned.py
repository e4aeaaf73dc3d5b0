"""Model versions that learned from rows of a person."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from airflow_mlops.core.data.version import DatasetRef, dataset_key
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store


def learned_from(
    store: Store, model: str, refs: Collection[DatasetRef]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The versions of a model that were trained on these dataset versions; and those of which nobody can tell.

    A dataset version that was made of one with such rows holds them itself, or they were left out of it before
    anything learned from it: so only those that hold some count.
    """
    registry = Registry(store, model)
    learned, unknown = [], []
    for number in registry.numbers():
        ref = registry.get(number).dataset
        if ref in refs:
            learned.append(number)
        elif not store.exists(dataset_key(ref.name, ref.id)):
            unknown.append(f"{model}:{number}: its data {ref.name}@{ref.id} are gone, so nobody can tell")
    return tuple(learned), tuple(unknown)


def champion_of(store: Store, model: str, now: datetime) -> int | None:
    """The version that answers."""
    return DeploymentLog(store, model).desired(now).champion
