"""A registered version, trained once for all tests; each works on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.core.reproduction.world import Registered, make


@pytest.fixture(scope="package")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Registered:
    home = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(home / "cache"))
        return make(home)


@pytest.fixture
def registered(_trained: Registered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    shutil.copytree(_trained.folder, tmp_path / "store")
    return Registered(tmp_path / "store", _trained.spec, _trained.data)
