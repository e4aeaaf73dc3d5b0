"""One trained world for all tests of a module; each test works on a copy of its folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airflow_mlops.core.store import open_store
from tests.core.scoring.world import World, make_world


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("scoring")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        return make_world(folder, scoring={"source": "new/*.parquet"})


@pytest.fixture
def world(template: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world of its own, with two versions and a champion."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(template.folder.parent / "store", tmp_path / "store")
    shutil.copytree(template.folder, tmp_path / "data")
    return World(open_store(str(tmp_path / "store")), tmp_path / "data", template.spec)
