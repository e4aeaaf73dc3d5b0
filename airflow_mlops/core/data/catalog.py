"""The dataset versions of a store, to look around in."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.results import parse

_SHOWN = 8


def list_versions(store: Store, name: str) -> list[DatasetVersion | Pin]:
    """All versions of a data set, the oldest first; a :class:`Pin` stands for one that nobody has read yet.

    :raises DataError: if there is none, naming the data sets that are there.
    """
    pins = {key: parse(store.read(key), Pin, key) for key in _keys(store, pin_key(name, ""))}
    versions = {
        key: parse(store.read(key), DatasetVersion, key) for key in _keys(store, dataset_key(name, ""))
    }
    read = {version.id for version in versions.values()}
    found: list[DatasetVersion | Pin] = [*versions.values()]
    found += (pin for pin in pins.values() if pin.id not in read)
    if not found:
        raise _unknown(store, name)
    return sorted(found, key=lambda one: (one.created_at, one.id))


def find_version(store: Store, name: str, start: str) -> str:
    """The id of the one version whose id starts with ``start``.

    :raises DataError: if there is none, or more than one.
    """
    ids = {
        key.rsplit("/", 1)[1].removesuffix(".json")
        for make_key in (dataset_key, pin_key)
        for key in _keys(store, make_key(name, ""))
    }
    if not ids:
        raise _unknown(store, name)
    found = sorted(one for one in ids if one.startswith(start))
    if len(found) == 1:
        return found[0]
    if start in found:
        return start
    raise DataError(
        f"{len(found)} versions of {name} have an id that starts so"
        if found
        else f"{name} has no such version",
        given=start,
        expected=", ".join(found[:_SHOWN]) or f"one of {len(ids)} ids: airflow-mlops data list {name}",
    )


def made_of(version: DatasetVersion | Pin) -> str:
    """What a version was made of, in a few words."""
    if not isinstance(version, DatasetVersion):
        return version.format
    if version.derivation:
        return f"{version.derivation.kind} of {', '.join(one.id[:8] for one in version.derivation.parents)}"
    if version.query:
        return f"query on {version.query.connection}"
    if version.table:
        return f"delta {version.table.folder}, version {version.table.version}"
    return version.format


def _keys(store: Store, pattern: str) -> Iterator[str]:
    """The keys of all versions; ``pattern`` is the key of a version without an id."""
    return (item.key for item in store.list(pattern.removesuffix(".json")))


def _unknown(store: Store, name: str) -> DataError:
    names = sorted({item.key.split("/")[1] for item in store.list("datasets/")})
    return DataError(
        f"there is no version of data set {name} in {store.uri}",
        given=f"a store with {', '.join(names[:_SHOWN])}" if names else "a store without data sets",
        remedy="take a snapshot first",
    )
