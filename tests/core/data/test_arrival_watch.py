"""Each complete batch is announced once, whoever looks, restarts or dies."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_mlops.core.data.arrival import Batch, Complete, Rule
from airflow_mlops.core.data.arrival_log import LEASE, ArrivalEntry, ArrivalLog, arrivals_prefix
from airflow_mlops.core.data.arrival_watch import ArrivalWatcher, Watched, describe
from airflow_mlops.core.data.snapshot import snapshot
from airflow_mlops.core.data.source import FolderRoot
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.store.log import Log
from tests.core.flights import spec, write_months

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


class World:
    """A folder, a store, a clock, and some who watch."""

    def __init__(self, data: Path, store: Store, complete: Complete = "success", source: str = "in/**/*.csv"):
        self.data = data
        self.store = store
        self.watched = Watched("trips", source, Rule(complete, 60.0))
        self.seconds = 0.0
        self.events: list[Batch] = []
        self.watchers = [self.watcher(), self.watcher()]
        self.held: list[list[Batch]] = [[], []]

    def watcher(self) -> ArrivalWatcher:
        return ArrivalWatcher(self.store, FolderRoot(self.data), self.watched)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)

    def write(self, path: str, text: str = "x") -> None:
        self.seconds += 1
        file = self.data / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (self.seconds, self.seconds))

    def look(self, who: int = 0) -> list[Batch]:
        found = self.watchers[who].look(self.seconds, self.now).batches
        self.held[who] += found
        return found

    def deliver(self, who: int = 0) -> None:
        """Airflow stores the events, and says so."""
        for batch in self.held[who]:
            self.events.append(batch)
            self.watchers[who].announced(batch, self.now)
        self.held[who] = []

    def wait(self) -> None:
        """Claims run out. Who lives has delivered long before."""
        self.deliver(0)
        self.deliver(1)
        self.seconds += LEASE.total_seconds()

    def die(self, who: int = 0) -> None:
        """What was not stored is gone; somebody else takes the place."""
        self.held[who] = []
        self.watchers[who] = self.watcher()


@pytest.fixture
def world(data: Path, store: Store) -> World:
    return World(data, store)


def paths(batches: list[Batch]) -> list[list[str]]:
    return [[one.path for one in batch.files] for batch in batches]


def test_a_batch_is_announced_once_through_restarts(world: World) -> None:
    world.write("in/day=1/a.csv")
    assert world.look() == []
    world.write("in/day=1/_SUCCESS", "")
    assert paths(world.look()) == [["in/day=1/a.csv"]]
    assert world.look() == []  # it is under way
    world.deliver()
    world.die()
    assert world.look() == []
    world.write("in/day=1/a.csv", "rewritten")
    assert world.look() == []
    world.write("in/day=1/_SUCCESS", "")
    assert paths(world.look()) == [["in/day=1/a.csv"]]


def test_two_triggerers_do_not_announce_the_same(world: World) -> None:
    world.write("in/a.csv")
    world.write("in/_SUCCESS", "")
    assert len(world.look(0)) == 1
    assert world.look(1) == []
    world.deliver(0)
    assert world.look(1) == []


def test_of_many_that_look_at_once_one_announces(world: World) -> None:
    for number in range(8):
        world.write(f"in/{number}/a.csv")
        world.write(f"in/{number}/_SUCCESS", "")
    watchers = [world.watcher() for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(lambda one: one.look(world.seconds, world.now).batches, watchers))
    assert sorted(one for found in looks for one in paths(found)) == [
        [f"in/{number}/a.csv"] for number in range(8)
    ]


def test_who_dies_before_the_event_is_stored_leaves_a_claim_that_runs_out(world: World) -> None:
    world.write("in/a.csv")
    world.write("in/_SUCCESS", "")
    (lost,) = world.look(0)
    world.die(0)
    assert world.look(0) == []
    assert world.look(1) == []
    world.seconds += LEASE.total_seconds()
    (again,) = world.look(1)
    assert again.id == lost.id  # who has heard of it knows it again


def test_who_dies_between_event_and_log_announces_it_again_and_never_loses_it(world: World) -> None:
    world.write("in/a.csv")
    world.write("in/_SUCCESS", "")
    (stored,) = world.look()
    world.die()
    world.seconds += LEASE.total_seconds()
    assert [one.id for one in world.look()] == [stored.id]


def test_what_is_not_known_to_be_stored_is_announced_again(world: World) -> None:
    world.write("in/a.csv")
    world.write("in/_SUCCESS", "")
    (batch,) = world.look()
    world.watchers[0].failed(batch)
    assert world.look() == []
    world.seconds += LEASE.total_seconds()
    assert [one.id for one in world.look()] == [batch.id]


def test_a_store_that_is_away_delays_the_log_and_doubles_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("in/a.csv")
    world.write("in/_SUCCESS", "")
    (batch,) = world.look()

    def away(log: ArrivalLog, batch: Batch, now: datetime) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(ArrivalLog, "announce", away)
        with pytest.raises(ConnectionError):
            world.watchers[0].announced(batch, world.now)
        with pytest.raises(ConnectionError):
            world.look()
    world.seconds += LEASE.total_seconds() * 2
    assert world.look() == []
    assert world.look(1) == []


def test_a_file_that_settles_while_another_is_announced_is_a_batch_of_its_own(
    data: Path, store: Store
) -> None:
    world = World(data, store, "settled", "in/*.csv")
    world.write("in/1.csv")
    assert world.look() == []
    world.seconds += 59
    world.write("in/2.csv")
    assert world.look() == []
    world.seconds += 60
    assert paths(world.look()) == [["in/1.csv", "in/2.csv"]]
    world.write("in/3.csv")
    world.look()
    world.seconds += 60
    assert paths(world.look()) == [["in/3.csv"]]


def test_at_the_first_start_what_a_version_has_seen_is_no_news(data: Path, store: Store) -> None:
    write_months(data, range(1, 3))
    snapshot(store, FolderRoot(data), spec())
    write_months(data, range(3, 4))
    watched = Watched(spec().name, "flights/*.parquet", Rule("settled", 0.0))
    watcher = ArrivalWatcher(store, FolderRoot(data), watched)
    assert paths(watcher.look(0.0, NOW).batches) == [["flights/2013-03.parquet"]]


def test_at_the_first_start_without_a_version_all_is_news(data: Path, store: Store) -> None:
    write_months(data, range(1, 3))
    watched = Watched("flights", "flights/*.parquet", Rule("settled", 0.0))
    (batch,) = ArrivalWatcher(store, FolderRoot(data), watched).look(0.0, NOW).batches
    assert len(batch.files) == 2


def test_a_folder_that_is_not_there_yet_is_empty_and_a_root_that_is_not_is_an_error(world: World) -> None:
    assert world.look() == []
    world.data.rmdir()
    with pytest.raises(DataError, match="not a folder"):
        world.look()


def test_links_and_hidden_files_and_what_vanishes_are_no_data(world: World, tmp_path: Path) -> None:
    world.write("in/a.csv")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.csv").write_text("x")
    (world.data / "in" / "link").symlink_to(tmp_path / "outside")
    (world.data / "in" / "gone.csv").symlink_to(tmp_path / "nowhere")
    (world.data / "in" / ".part.csv").write_text("x")
    world.write("in/_SUCCESS", "")
    assert paths(world.look()) == [["in/a.csv"]]


def test_the_event_is_small(world: World) -> None:
    for number in range(300):
        world.write(f"in/{number:03}.csv")
    world.write("in/_SUCCESS", "")
    (batch,) = world.look()
    said = describe(batch)
    assert said == {
        "batch": batch.id,
        "complete": "success",
        "batches": 1,
        "files": 300,
        "bytes": 300,
        "first": [f"in/{number:03}.csv" for number in range(5)],
    }


def test_a_reader_of_a_long_log_reads_its_end_only(
    data: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(data, store)
    for number in range(120):
        world.write(f"in/{number}.csv")
        world.write("in/_SUCCESS", "")
        world.look()
        world.deliver()
    read: list[int] = []
    real = Log.read

    def count(log: Log[ArrivalEntry], number: int) -> ArrivalEntry:
        read.append(number)
        return real(log, number)

    monkeypatch.setattr(Log, "read", count)
    log = ArrivalLog(store, "trips", "reader")
    log.refresh()
    assert read == [200]
    assert log.known == {mark for batch in world.events for mark in batch.marks}
    assert len(world.events) == 120
    world.die()
    assert world.look() == []


def test_its_log_is_not_among_the_dataset_versions() -> None:
    assert arrivals_prefix("trips") == "arrivals/trips"


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 2), st.integers(0, 1)),
        st.tuples(st.just("finish"), st.integers(0, 2), st.just(0)),
        st.tuples(st.sampled_from(["look", "deliver", "die"]), st.just(0), st.integers(0, 1)),
        st.tuples(st.just("wait"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(ACTIONS)
def test_any_order_of_writes_looks_and_deaths_announces_each_complete_batch_once(
    actions: list[tuple[str, int, int]],
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "data").mkdir()
        world = World(root / "data", open_store(str(root / "store")))
        finished: dict[int, set[tuple[str, float]]] = {}
        complete: set[tuple[str, float]] = set()  # every file that was complete when somebody looked
        open_files: dict[int, dict[str, float]] = {0: {}, 1: {}, 2: {}}
        for action, batch, other in [*actions, *(("finish", number, 0) for number in range(3))]:
            if action == "write":
                path = f"in/{batch}/{other}.csv"
                world.write(path, "x" * int(world.seconds))
                open_files[batch][path] = world.seconds
                finished.pop(batch, None)
            elif action == "finish":
                world.write(f"in/{batch}/_SUCCESS", "")
                finished[batch] = set(open_files[batch].items())
            elif action == "look":
                complete |= set().union(*finished.values())
                for found in world.look(other):
                    assert {(one.path, one.at) for one in found.files} <= complete
            elif action == "deliver":
                world.deliver(other)
            elif action == "die":
                world.die(other)
            else:
                world.wait()
        for who in (0, 1, 0):
            world.wait()
            world.look(who)
            world.deliver(who)
        complete |= set().union(*finished.values())
        announced = Counter((one.path, one.at) for batch in world.events for one in batch.files)
        last = {item for files in open_files.values() for item in files.items()}
        assert last <= announced.keys()
        assert announced.keys() <= complete
        assert set(announced.values()) <= {1}
