from __future__ import annotations

from pathlib import Path

import pytest

from tests.core.erasure.world import World, copied, lived_folder


@pytest.fixture(scope="session")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lived_folder(tmp_path_factory)


@pytest.fixture
def world(lived: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return copied(lived, tmp_path / "world", monkeypatch)
