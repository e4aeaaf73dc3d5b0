"""A store in a folder, and a cache of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_mlops.core.store import Store, open_store


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def _no_power_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many records are written, and none has to outlive the machine."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))
