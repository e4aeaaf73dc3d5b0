"""The watcher of new data in Airflow's shared streams: one event for each batch, logged when Airflow has stored it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import DAG
from airflow.serialization.encoders import encode_trigger
from airflow.serialization.serialized_objects import DagSerialization
from airflow.triggers.base import BaseEventTrigger

from airflow_mlops.assets import create_dataset_asset, watched_dataset_asset
from airflow_mlops.core.data.arrival import Batch, Look
from airflow_mlops.core.data.arrival_log import ArrivalEntry, ArrivalLog, arrivals_prefix
from airflow_mlops.core.data.arrival_watch import ArrivalWatcher
from airflow_mlops.core.errors import SpecError, StoreError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.log import Log
from airflow_mlops.triggers.arrival import NewDataTrigger
from tests.core.flights import spec
from tests.triggers.triggerer import Triggerer

DATA = {"source": "flights/*.parquet", "event_time": "time_hour", "label": "late"}


def watch(**changes: Any) -> NewDataTrigger:
    given = {"dataset": "trips", "source": "in/**/*.csv", "complete": "success", "poll_interval": 0.02}
    return NewDataTrigger(**{**given, **changes})


def kinds(store: Store) -> list[str]:
    return [entry.kind for _, entry in Log(store, arrivals_prefix("trips"), ArrivalEntry).entries()]


def finish(data: Path, folder: str = "in", name: str = "a.csv") -> None:
    """Write a complete batch."""
    place = data / folder
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text("x")
    (place / "_SUCCESS").touch()
    later = (place / name).stat().st_mtime + 1
    os.utime(place / "_SUCCESS", (later, later))


def count_looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The thread of each look from now on."""
    threads: list[int] = []
    real = ArrivalWatcher.look

    def look(watcher: ArrivalWatcher, clock: float, now: datetime, interval: float = 0.0) -> Look:
        threads.append(threading.get_ident())
        return real(watcher, clock, now, interval)

    monkeypatch.setattr(ArrivalWatcher, "look", look)
    return threads


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def test_a_batch_is_one_event_and_logged_when_it_is_stored(store: Store, data: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        airflow = Triggerer(stores=False)
        async with airflow.running(watch()):
            finish(data)
            await airflow.until(lambda: airflow.events)
            await asyncio.sleep(0.2)
            assert kinds(store) == ["began", "claimed"]
            airflow.stores = True
            await airflow.until(lambda: kinds(store) == ["began", "claimed", "announced"])
            finish(data, "in/b")
            await airflow.until(lambda: len(airflow.events) == 2)
            await airflow.until(lambda: kinds(store)[-1] == "announced")
        return airflow.events

    first, second = asyncio.run(story())
    assert first["first"] == ["in/a.csv"]
    assert second["first"] == ["in/b/a.csv"]
    json.dumps(first)


def test_a_restarted_triggerer_says_nothing_twice(store: Store, data: Path) -> None:
    async def story() -> list[dict[str, Any]]:
        for _ in range(2):
            airflow = Triggerer()
            async with airflow.running(watch()):
                if not (data / "in").exists():
                    finish(data)
                await airflow.until(lambda: "announced" in kinds(store))
                await asyncio.sleep(0.2)
        return airflow.events

    assert asyncio.run(story()) == []


def test_equal_triggers_share_their_looks_and_both_fire(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[ArrivalWatcher] = []
    real = ArrivalWatcher.__init__

    def count(watcher: ArrivalWatcher, *args: Any) -> None:
        made.append(watcher)
        real(watcher, *args)

    monkeypatch.setattr(ArrivalWatcher, "__init__", count)

    async def story() -> list[dict[str, Any]]:
        airflow = Triggerer()
        async with airflow.running(watch(), watch()):
            await airflow.until(lambda: kinds(store))
            finish(data)
            await airflow.until(lambda: len(airflow.events) == 2)
        return airflow.events

    one, other = asyncio.run(story())
    assert one == other
    assert len(made) == 1


def test_what_is_wrong_is_said_once_and_waited_out(
    store: Store, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data.rmdir()
    looks = count_looks(monkeypatch)

    async def story() -> list[dict[str, Any]]:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: len(looks) > 3)
            finish(data)
            await airflow.until(lambda: airflow.events)
        return airflow.events

    assert len(asyncio.run(story())) == 1
    assert capsys.readouterr().out.count("is not a folder") == 1


def test_a_connection_that_is_missing_and_a_fault_of_ours_do_not_end_it(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = ArrivalWatcher.look, [RuntimeError("a bug"), RuntimeError("a bug")]

    def look(watcher: ArrivalWatcher, clock: float, now: datetime, interval: float = 0.0) -> Look:
        if faults:
            raise faults.pop()
        return real(watcher, clock, now, interval)

    monkeypatch.setattr(ArrivalWatcher, "look", look)

    async def story() -> None:
        airflow = Triggerer()
        finish(data)
        async with airflow.running(watch(), watch(mlops_conn_id="nowhere", dataset="other")):
            await airflow.until(lambda: airflow.events)

    asyncio.run(story())


def test_a_log_that_can_not_be_written_when_the_event_is_stored_is_written_later(
    store: Store, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, faults = ArrivalLog.announce, [StoreError("away"), OSError("away"), StoreError("away")]

    def announce(log: ArrivalLog, batch: Batch, now: datetime) -> None:
        if faults:
            raise faults.pop()
        real(log, batch, now)

    monkeypatch.setattr(ArrivalLog, "announce", announce)

    async def story() -> list[dict[str, Any]]:
        airflow = Triggerer()
        finish(data)
        async with airflow.running(watch()):
            await airflow.until(lambda: "announced" in kinds(store))
            finish(data, "in/b")
            await airflow.until(lambda: kinds(store).count("announced") == 2)
        return airflow.events

    assert len(asyncio.run(story())) == 2


def test_looks_are_made_off_the_loop(store: Store, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = count_looks(monkeypatch)

    async def story() -> None:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: threads)

    asyncio.run(story())
    assert threading.get_ident() not in threads


def test_a_changed_connection_is_noticed(
    store: Store, tmp_path: Path, connect: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_mlops.triggers.looking._FRESH", 0.0)
    (tmp_path / "data").mkdir()

    async def story() -> list[dict[str, Any]]:
        airflow = Triggerer()
        async with airflow.running(watch()):
            await airflow.until(lambda: kinds(store))
            finish(tmp_path / "elsewhere")
            connect(data=str(tmp_path / "elsewhere"))
            await airflow.until(lambda: airflow.events)
        return airflow.events

    assert len(asyncio.run(story())) == 1


def test_without_shared_streams_it_runs_by_itself(store: Store, data: Path) -> None:
    finish(data)

    async def story() -> dict[str, Any]:
        running = watch().run()
        event = await anext(running)
        waiting = asyncio.ensure_future(anext(running))
        while kinds(store)[-1] != "announced":
            await asyncio.sleep(0.01)
        waiting.cancel()
        return dict(event.payload)

    assert asyncio.run(story())["files"] == 1


def test_the_asset_keeps_one_trigger_through_parses_and_the_database() -> None:
    model = spec(data={**DATA, "arrival": {"complete": "settled", "settle": "2m"}})
    asset = watched_dataset_asset(model)
    assert asset.uri == "mldataset://flight_delay/arrival"
    (watcher,) = asset.watchers
    with DAG("x", schedule=create_dataset_asset(dataset=model.name) | asset) as dag:
        pass
    parsed = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
    found = {one.uri: one for _, one in parsed.timetable.asset_condition.iter_assets()}[asset.uri]
    encoded = encode_trigger(found.watchers[0].trigger)
    row = Trigger(classpath=encoded["classpath"], kwargs=encoded["kwargs"])
    hashes = {
        BaseEventTrigger.hash(*watcher.trigger.serialize()),
        BaseEventTrigger.hash(encoded["classpath"], encoded["kwargs"]),
        BaseEventTrigger.hash(row.classpath, row.kwargs),
    }
    assert len(hashes) == 1
    again = watched_dataset_asset(model).watchers[0].trigger
    assert again.shared_stream_key() == watcher.trigger.shared_stream_key()
    assert NewDataTrigger(**watcher.trigger.serialize()[1]).serialize() == watcher.trigger.serialize()


def test_a_model_without_arrival_has_no_such_asset() -> None:
    with pytest.raises(SpecError, match=r"data\.arrival"):
        watched_dataset_asset(spec())
    assert create_dataset_asset(dataset="x").watchers == []
