"""Triggers of a connection share clients; looks have threads of their own and slow down when they get late."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.platform import Platform
from airflow_mlops.triggers import looking
from airflow_mlops.triggers.looking import Lookout, pause


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Which connections were read."""
    names: list[str] = []

    def get_conn(hook: MlopsHook) -> Platform:
        names.append(hook.mlops_conn_id)
        return Platform.local(tmp_path / hook.mlops_conn_id)

    monkeypatch.setattr(MlopsHook, "get_conn", get_conn)
    return names


def test_a_connection_is_read_once_and_its_store_shared(read: list[str]) -> None:
    lookout = Lookout()
    places = [lookout.place("one") for _ in range(20)]
    assert len({id(place.store) for place in places}) == 1
    assert lookout.place("two").store.uri != places[0].store.uri
    assert read == ["one", "two"]


def test_after_a_while_it_is_read_again(read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_FRESH", 0.0)
    lookout = Lookout()
    assert lookout.place("one") is not lookout.place("one")
    assert read == ["one", "one"]


@pytest.mark.parametrize("first, most", [(True, looking.FIRST_THREADS), (False, looking.THREADS)])
def test_so_many_look_at_once_and_no_more(first: bool, most: int) -> None:
    lookout = Lookout()
    lock, full = threading.Lock(), threading.Event()
    running = highest = 0

    def look() -> str:
        nonlocal running, highest
        with lock:
            running += 1
            highest = max(highest, running)
            if running == most:
                full.set()
        assert full.wait(60)
        with lock:
            running -= 1
        return threading.current_thread().name

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(lookout.run(look, first=first) for _ in range(3 * most)))

    names = asyncio.run(all_of_them())
    assert highest == most
    assert all(name.startswith("rollout-") for name in names)


def test_a_look_that_took_long_is_waited_longer_for() -> None:
    for _ in range(50):
        assert 9.4 < pause(10, 0.1) < 10.6
        assert 23 < pause(10, 25) < 27
    assert pause(0, 0) == 0


def test_faults_are_waited_out_longer_and_longer() -> None:
    for _ in range(50):
        assert 28 < pause(10, 0.1, faults=2) < 32
        assert 56 < pause(10, 0.1, faults=25) < 64
