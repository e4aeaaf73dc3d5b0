from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.core.erasure.world import World, live


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that lived, made once."""
    folder = tmp_path_factory.mktemp("lived")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        live(World(folder))
    return folder


@pytest.fixture
def world(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it."""
    shutil.copytree(lived, tmp_path / "world")
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "world" / "cache"))
    return World(tmp_path / "world")
