from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store, open_store
from tests.core.training.world import World, make_version, spec_of


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def version(store: Store, tmp_path: Path) -> DatasetVersion:
    return make_version(store, tmp_path / "data", World().frame(), spec_of())
