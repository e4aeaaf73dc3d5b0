"""A store, and one with the life of two versions in it."""

from __future__ import annotations

import pytest

from airflow_mlops.core.store import Store
from tests.core.card.world import live
from tests.core.registry.world import MemoryStore


@pytest.fixture
def store() -> Store:
    return MemoryStore()


@pytest.fixture
def lived(store: Store) -> Store:
    live(store)
    return store
