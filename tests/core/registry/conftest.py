"""A store in a folder, and a clock that tests can move."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from airflow_mlops.core.registry import deployments
from airflow_mlops.core.store import Store, open_store

Advance = Callable[[timedelta], datetime]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Stops the clock of the deployment log; moves it on by what it is given."""
    now = datetime(2024, 1, 1, tzinfo=timezone.utc)

    def move(by: timedelta) -> datetime:
        nonlocal now
        now += by
        return now

    monkeypatch.setattr(deployments, "utc_now", lambda: now)
    return move
