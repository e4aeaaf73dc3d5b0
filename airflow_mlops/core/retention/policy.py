"""Which dataset versions a policy lets go: never one that a kept model refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse

if TYPE_CHECKING:
    from airflow_mlops.spec import Retention

#: A version that was protected no longer needs what was taken out of it.
_FORGETS_ITS_PARENTS = "privacy"


@dataclass(frozen=True)
class Manifest:
    """A manifest in the store: its key, and what it says."""

    key: str
    version: DatasetVersion


def manifests(store: Store) -> Iterator[Manifest]:
    """All dataset versions of the store. :raises StoreError: if one can't be read."""
    for item in store.list("datasets/"):
        yield Manifest(item.key, parse(store.read(item.key), DatasetVersion, item.key))


def belongs(manifest: Manifest, model: str) -> bool:
    """Whether a dataset version is one of a model, or of a data set that is joined to it."""
    name = manifest.version.name
    return name == model or name.startswith(f"{model}__")


def kept_models(store: Store, model: str, newest: int | None) -> dict[int, ModelVersion]:
    """The model versions whose data stay: all of them, or the newest so many and every one that ever served."""
    registry, deployments = Registry(store, model), DeploymentLog(store, model)
    numbers = registry.numbers()
    kept = set(numbers if newest is None else numbers[-newest:])
    for _, entry in deployments.backwards():
        kept.update(one for one in (entry.champion, entry.challenger) if one is not None)
    return {number: registry.get(number) for number in sorted(kept)}


def expendable(
    manifests: Iterable[Manifest], models: Iterable[ModelVersion], policy: Retention, now: datetime
) -> tuple[Manifest, ...]:
    """The dataset versions that a policy lets go.

    One goes if it is older than ``policy.keep``, and neither a kept model nor another version that stays refers to it.
    What a privacy version was made of is not kept for its sake.

    :param models: the kept ones.
    """
    found = {one.version.id: one for one in manifests}
    staying = [one.dataset.id for one in models]
    staying += [name for name, one in found.items() if now - one.version.created_at < policy.keep]
    needed = _with_ancestors(staying, found)
    return tuple(one for name, one in sorted(found.items()) if name not in needed)


def require_room(keep: timedelta, grace: timedelta) -> None:
    """Refuse a policy that could remove what a run still works on. :raises StoreError: if keep is below grace."""
    if keep < grace:
        raise StoreError(
            "retention keeps data for less time than a run may take",
            given=f"keep {keep}, grace {grace}",
            expected="keep at least as long as grace",
        )


def _with_ancestors(names: Iterable[str], found: dict[str, Manifest]) -> set[str]:
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in needed or name not in found:
            continue
        needed.add(name)
        made = found[name].version.derivation
        if made is not None and made.kind != _FORGETS_ITS_PARENTS:
            waiting += [parent.id for parent in made.parents]
    return needed
