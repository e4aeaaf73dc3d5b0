"""The dataset version that a model learned from, and all that it was made of."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_mlops.core.card.history import History
from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.base import is_key
from airflow_mlops.core.wording import day

#: More ancestors than this are not followed: a chain of that many would be a loop, or an attack.
_MOST = 200


class Gone(Record):
    """A dataset version whose record is not in the store.

    :param why: one line: who removed it and when, as far as a log says so.
    """

    ref: DatasetRef
    why: str


class Trail(Record):
    """A dataset version and its ancestors, each once, the youngest first.

    :param gone: those whose records are not there any more.
    """

    ref: DatasetRef
    versions: tuple[DatasetVersion, ...]
    gone: tuple[Gone, ...] = ()

    @property
    def dataset(self) -> DatasetVersion | None:
        """The version itself, None where its record is gone."""
        return next((one for one in self.versions if one.ref == self.ref), None)

    @property
    def refs(self) -> tuple[DatasetRef, ...]:
        """All names, those of the records that are gone too."""
        return (*(one.ref for one in self.versions), *(one.ref for one in self.gone))

    @property
    def sources(self) -> tuple[DatasetVersion, ...]:
        """The snapshots at the far end: what was not derived of anything else."""
        return tuple(one for one in self.versions if one.derivation is None)


def trail_of(known: History, ref: DatasetRef) -> Trail:
    """Follow a dataset version back to the bytes that it came from."""
    versions: dict[DatasetRef, DatasetVersion] = {}
    gone: dict[DatasetRef, Gone] = {}
    waiting = [ref]
    while waiting and len(versions) + len(gone) < _MOST:
        one = waiting.pop(0)
        if one in versions or one in gone:
            continue
        found = _read(known, one)
        if found is None:
            gone[one] = Gone(ref=one, why=_why_gone(known, one))
            continue
        versions[one] = found
        waiting += found.derivation.parents if found.derivation else ()
    if waiting:
        known.reader.miss("ancestors of the data", f"more than {_MOST}; the rest is not followed")
    return Trail(ref=ref, versions=tuple(versions.values()), gone=tuple(gone.values()))


def _read(known: History, ref: DatasetRef) -> DatasetVersion | None:
    key = _key(dataset_key(ref.name, ref.id))
    if key is None or not known.store.exists(key):
        return None
    return known.reader.kept(key, DatasetVersion, f"record of {ref.name}@{ref.id[:12]}")


def _why_gone(known: History, ref: DatasetRef) -> str:
    name = f"{ref.name}@{ref.id}"
    for erasure in known.erasures:
        if any(one.dataset == ref for one in erasure.tombstones):
            return f"erased on {day(erasure.at)} by {erasure.who}: {erasure.why}"
    pruned = _pruned(known, name)
    if pruned:
        return pruned
    key = _key(pin_key(ref.name, ref.id))
    pin = known.reader.kept(key, Pin, name) if key and known.store.exists(key) else None
    if pin is not None:
        return f"only its pin is there: {len(pin.sources):,} objects below {pin.root} that nobody has read"
    return "its record is not in the store"


def _pruned(known: History, name: str) -> str:
    runs: Iterable[str] = (
        f"removed by retention on {day(one.at)}"
        for one in known.prunings
        if name in one.datasets and not one.dry_run
    )
    return next(iter(runs), "")


def _key(key: str) -> str | None:
    """The key, None where a record names something that no store can hold."""
    return key if is_key(key) else None
