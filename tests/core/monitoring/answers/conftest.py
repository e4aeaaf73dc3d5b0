from __future__ import annotations

from pathlib import Path

import pytest

from airflow_mlops.core.store.folder import FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")
