"""What lineage asks of a store, answered without reading every record each time."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.lineage.graph.logs import Entries, read_log
from airflow_mlops.core.lineage.graph.manifests import Datasets, read_datasets
from airflow_mlops.core.serving.hours import children
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.cache import cache_dir

T = TypeVar("T")


# gc=False: a store has tens of thousands of these, they hold no reference that leads back, and the garbage collector
# would look through all of them whenever they are read.
class RefEntry(msgspec.Struct, frozen=True, gc=False):
    """Name and id of a dataset version."""

    name: str
    id: str

    @property
    def pair(self) -> tuple[str, str]:
        """Both."""
        return self.name, self.id


class VersionEntry(msgspec.Struct, omit_defaults=True, gc=False):
    """What is needed of a :class:`~airflow_mlops.core.registry.version.ModelVersion`."""

    dataset: RefEntry
    created_at: datetime


class DeploymentEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.registry.deployment.Deployment`."""

    action: str
    champion: int | None
    who: str
    why: str
    at: datetime
    challenger: int | None = None
    weight: float = 0.0
    lease_until: datetime | None = None


class PartitionEntry(msgspec.Struct):
    """What is needed of a :class:`~airflow_mlops.core.scoring.record.Partition`."""

    day: date
    key: str
    rows: int


class ScoredEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.scoring.record.Scored`."""

    dataset: RefEntry
    version: int | None
    scored_at: datetime
    rows: int
    partitions: list[PartitionEntry]


class _Decided(msgspec.Struct):
    said: str


class LookEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.monitoring.look.Look`."""

    since: datetime
    until: datetime
    champion: int | None
    outcome: str
    columns: list[str]
    failed_gates: list[str]
    decision: _Decided
    at: datetime


class TombstoneEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.data.erasures.Tombstone`."""

    dataset: RefEntry
    rows: int
    replaced_by: RefEntry | None = None
    blobs: list[str] = msgspec.field(default_factory=list)


class ErasureEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.data.erasures.Erasure`."""

    state: str
    tombstones: list[TombstoneEntry]
    who: str
    why: str
    at: datetime


class PruningEntry(msgspec.Struct, omit_defaults=True):
    """What is needed of a :class:`~airflow_mlops.core.retention.run.Pruning`."""

    at: datetime
    datasets: list[str]


class Index:
    """A store's versions, deployments, scorings and dataset versions, kept in a cache on this machine.

    An instance is one moment: what was asked once is not looked up again.

    :param store: what is asked.
    :param fresh: forget what the cache has, and read everything from the store.
    """

    def __init__(self, store: Store, *, fresh: bool = False) -> None:
        self.store = store
        self._folder = _folder(store)
        self._logs: dict[str, Entries[Any]] = {}
        if fresh and self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models of which anything is recorded."""
        return tuple(children(self.store, "models/"))

    @cached_property
    def datasets(self) -> Datasets:
        """All dataset versions."""
        return read_datasets(self.store, self._folder)

    def versions(self, model: str) -> Entries[VersionEntry]:
        """The registered versions of a model."""
        return self._log(f"models/{model}/versions", VersionEntry)

    def deployments(self, model: str) -> Entries[DeploymentEntry]:
        """The deployment log of a model."""
        return self._log(f"models/{model}/deployments", DeploymentEntry)

    def scorings(self, model: str) -> Entries[ScoredEntry]:
        """The batch predictions of a model."""
        return self._log(f"models/{model}/predictions", ScoredEntry)

    def looks(self, model: str) -> Entries[LookEntry]:
        """The looks at a model."""
        return self._log(f"models/{model}/monitoring", LookEntry)

    def erasures(self, model: str) -> Entries[ErasureEntry]:
        """The erasures in a model's data."""
        return self._log(f"models/{model}/erasures", ErasureEntry)

    @property
    def prunings(self) -> Entries[PruningEntry]:
        """The runs of retention."""
        return self._log("retention", PruningEntry)

    @property
    def unread(self) -> tuple[str, ...]:
        """Keys of records that were asked for and are lost or damaged."""
        damaged: Sequence[str] = self.datasets.unread if "datasets" in self.__dict__ else ()
        return (*damaged, *(key for entries in self._logs.values() for key in entries.unread))

    def _log(self, prefix: str, kind: type[T]) -> Entries[T]:
        entries: Entries[T] | None = self._logs.get(prefix)
        if entries is None:
            entries = self._logs[prefix] = read_log(self.store, prefix, kind, self._folder)
        return entries


def _folder(store: Store) -> Path | None:
    """Where the index of a store is kept; None where there is no place for a cache."""
    try:
        return cache_dir() / "lineage" / hashlib.sha256(store.uri.encode()).hexdigest()[:24]
    except PlatformError:
        return None
