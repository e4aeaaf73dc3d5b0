"""A store in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))
    return open_store(str(tmp_path / "store"))
