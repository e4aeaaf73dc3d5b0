"""A registered version of real, small data, to be built again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.reproduction.record import Reproduction
from airflow_mlops.core.reproduction.run import reproduce
from airflow_mlops.core.store import Log, open_store
from airflow_mlops.core.store.blobs import blob_key, put_bytes
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.run import train
from airflow_mlops.spec import ModelSpec
from tests.core.registry.world import evaluation
from tests.core.training.world import COLUMNS, World, make_version, spec_of

AT = datetime(2026, 3, 1, tzinfo=timezone.utc)
GOOD = {"columns": COLUMNS, "function": "tests.core.training.order_features:good"}


@dataclass(frozen=True)
class Registered:
    """A store with version 1 of ``orders``."""

    folder: Path
    spec: ModelSpec
    data: DatasetVersion

    @property
    def store(self) -> FolderStore:
        store = open_store(str(self.folder))
        assert isinstance(store, FolderStore)
        return store

    @property
    def record(self) -> ModelVersion:
        return Registry(self.store, "orders").get(1)

    def blob(self, sha256: str) -> Path:
        return self.folder / blob_key(sha256)

    def rewrite(self, **changes: Any) -> None:
        """Version 1 as it would be recorded with other facts of its training."""
        log: Log[ModelVersion] = Log(self.store, "models/orders/versions", ModelVersion)
        trained = self.record.trained.model_copy(update=changes)
        other = self.record.model_copy(update={"trained": trained})
        (self.folder / log.key(1)).unlink()
        self.store.create(log.key(1), other.to_bytes())

    def relock(self, change: Callable[[str], str]) -> None:
        """Version 1 as if it had been trained in another environment."""
        text = self.blob(self.record.trained.environment).read_text()
        self.rewrite(environment=put_bytes(self.store, change(text).encode()))

    def reproduce(self, **arguments: Any) -> Reproduction:
        return reproduce(self.store, "orders", 1, **{"by": "ann", "at": AT, **arguments})


def make(home: Path) -> Registered:
    """Train version 1 and register it, in ``home``."""
    store, spec = open_store(str(home / "store")), spec_of(features=GOOD)
    data = make_version(store, home / "data", World(rows=300).frame(), spec)
    Registry(store, "orders").register(
        trained=train(store, spec, data),
        evaluation=evaluation(),
        dataset=data.ref,
        spec=spec,
        validation=None,
        run=None,
        by="ann",
    )
    return Registered(home / "store", spec, data)


def content(folder: Path) -> dict[str, str]:
    """Hashes of all files below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
