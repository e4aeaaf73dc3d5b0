"""Which dataset versions a policy lets go: never one that a kept model refers to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, Derivation
from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse

if TYPE_CHECKING:
    from airflow_mlops.spec import Retention

#: A version that was protected, or from which a person was erased, no longer needs what was taken out of it.
_FORGET_THEIR_PARENTS = ("privacy", "erasure")


@dataclass(frozen=True)
class Manifest:
    """What the store says of a dataset version.

    :param keys: where it says so.
    :param data: hashes of the files that it names.
    """

    keys: tuple[str, ...]
    ref: DatasetRef
    created_at: datetime
    derivation: Derivation | None = None
    data: tuple[str, ...] = ()


def manifests(store: Store) -> tuple[Manifest, ...]:
    """All dataset versions of the store, those too that are pinned and were never read.

    :raises StoreError: if one can't be read.
    """
    found = {}
    for item in store.list("datasets/"):
        version = parse(store.read(item.key), DatasetVersion, item.key)
        keys = (item.key, pin_key(version.name, version.id))
        data = tuple(file.sha256 for file in version.files)
        found[keys[1]] = Manifest(keys, version.ref, version.created_at, version.derivation, data)
    for item in store.list("pins/"):
        if item.key not in found:
            pin = parse(store.read(item.key), Pin, item.key)
            found[item.key] = Manifest((item.key,), pin.ref, pin.created_at)
    return tuple(found.values())


def belongs(manifest: Manifest, model: str) -> bool:
    """Whether a dataset version is one of a model, or of a data set that is joined to it."""
    return manifest.ref.name == model or manifest.ref.name.startswith(f"{model}__")


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
    What a version of a privacy action or an erasure was made of is not kept for its sake.

    :param models: the kept ones.
    """
    found = {one.ref: one for one in manifests}
    staying = [one.dataset for one in models]
    staying += [ref for ref, one in found.items() if now - one.created_at < policy.keep]
    needed = _with_ancestors(staying, found)
    return tuple(one for ref, one in found.items() if ref not in needed)


def require_room(keep: timedelta, grace: timedelta) -> None:
    """Refuse a policy that could remove what a run still works on. :raises StoreError: if keep is below grace."""
    if keep < grace:
        raise StoreError(
            "retention keeps data for less time than a run may take",
            given=f"keep {keep}, grace {grace}",
            expected="keep at least as long as grace",
        )


def _with_ancestors(refs: Iterable[DatasetRef], found: dict[DatasetRef, Manifest]) -> set[DatasetRef]:
    needed: set[DatasetRef] = set()
    waiting = list(refs)
    while waiting:
        ref = waiting.pop()
        if ref in needed or ref not in found:
            continue
        needed.add(ref)
        made = found[ref].derivation
        if made is not None and made.kind not in _FORGET_THEIR_PARENTS:
            waiting += made.parents
    return needed
