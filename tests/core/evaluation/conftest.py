"""Orders in a store, and a model that learned from their older part."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.run import train
from tests.core.training.world import World, make_version, spec_of


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def version(store: Store, tmp_path: Path) -> DatasetVersion:
    return make_version(store, tmp_path / "data", World(rows=3000).frame(), spec_of())


@pytest.fixture
def trained(store: Store, version: DatasetVersion) -> TrainedModel:
    return train(store, spec_of(), version)
