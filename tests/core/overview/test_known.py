"""What a process remembers of a model: all who look share it, only what is new is read, and what is lost is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_mlops.core.overview import board, overview_of, recent
from airflow_mlops.core.overview.board import Board, board_of
from airflow_mlops.core.overview.model_records import ModelRecords
from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.rollout.progress import StageNow, progress_log
from airflow_mlops.core.store import Item
from tests.core.card.test_dossier import Forgetful
from tests.core.card.world import after, append, live
from tests.core.registry.world import MODEL

NOW = after(100)


class Counting(Forgetful):
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = Counter[str]()

    def read(self, key: str) -> bytes:
        self.asked["read"] += 1
        return super().read(key)

    def exists(self, key: str) -> bool:
        self.asked["exists"] += 1
        return super().exists(key)

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        self.asked["list"] += 1
        return super().list(prefix, start_after)


@pytest.fixture
def store() -> Counting:
    made = Counting()
    live(made)
    made.asked.clear()
    return made


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of this process, in seconds."""
    time = [1000.0]
    monkeypatch.setattr(recent, "monotonic", lambda: time[0])
    return time


def key(number: int) -> str:
    return f"models/{MODEL}/deployments/{number:010d}.json"


def promote(store: Counting, version: int) -> None:
    entry = Deployment(action="promote", champion=version, who="ann", why="better", at=NOW)
    append(DeploymentLog(store, MODEL).log, entry)


def look(at: int) -> StageNow:
    return StageNow(
        at=after(at), stage="canary", version=2, decision="CONTINUE", reason="", samples=at, needed=None, gates=()
    )  # fmt: skip


def whys(records: ModelRecords) -> str:
    return " ".join(one.why for one in records.gaps)


def test_what_one_page_has_read_the_next_one_does_not_read(store: Counting) -> None:
    first = ModelRecords(store, MODEL).numbered_deployments
    store.asked.clear()
    assert ModelRecords(store, MODEL).numbered_deployments == first
    assert store.asked["read"] == 0
    promote(store, 2)
    assert ModelRecords(store, MODEL).deployments[-1].champion == 2
    assert store.asked["read"] == 1


def test_a_page_that_saw_more_does_not_hide_it_from_the_overview(store: Counting) -> None:
    assert overview_of(store, MODEL, now=NOW).champion == 1
    promote(store, 2)
    assert ModelRecords(store, MODEL).deployments[-1].champion == 2
    assert overview_of(store, MODEL, now=NOW).champion == 2


def test_an_entry_that_is_lost_after_it_was_read_is_missed(store: Counting) -> None:
    whole = ModelRecords(store, MODEL).deployments
    store.forget(key(2))
    records = ModelRecords(store, MODEL)
    assert len(records.deployments) == len(whole) - 1
    assert whys(records) == "1 entries before the newest one are missing"


def test_an_entry_that_is_damaged_after_it_was_read_is_told_and_mended_is_read(store: Counting) -> None:
    whole = ModelRecords(store, MODEL).deployments
    kept = store.read(key(2))
    store.spoil(key(2), b"{")
    for _ in range(2):
        records = ModelRecords(store, MODEL)
        assert len(records.deployments) == len(whole) - 1
        assert "entry 2 of log" in whys(records)
    store.spoil(key(2), kept)
    records = ModelRecords(store, MODEL)
    assert (records.deployments, records.gaps) == (whole, ())


def test_a_log_that_shrank_is_read_as_it_is(store: Counting) -> None:
    before = ModelRecords(store, MODEL).deployments
    store.forget(key(len(before)))
    assert ModelRecords(store, MODEL).deployments == before[:-1]


def test_an_emptied_store_is_empty(store: Counting) -> None:
    assert ModelRecords(store, MODEL).deployments
    for item in [*store.list("models/")]:
        store.forget(item.key)
    records = ModelRecords(store, MODEL)
    assert (records.deployments, records.last_version(), records.gaps) == ((), 0, ())


def test_looks_of_one_stage_at_a_time_are_kept(store: Counting) -> None:
    for entry in (7, 8):
        append(progress_log(store, MODEL, entry), look(entry))
    records = ModelRecords(store, MODEL)
    assert [one.samples for entry in (7, 8, 7) for one in records.progress(entry)] == [7, 8, 7]
    known = board_of(store).known(store, MODEL)
    assert known is not None
    assert known.size == 1


def test_many_readers_at_once_see_the_same(store: Counting) -> None:
    def seen(_: int) -> Any:
        records = ModelRecords(store, MODEL)
        return records.deployments, records.releases, overview_of(store, MODEL, now=NOW)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(seen, range(32)))
    assert all(one == found[0] for one in found)


def test_a_name_that_nobody_knows_is_not_kept(store: Counting) -> None:
    one = Board()
    assert one.known(store, "nobody") is None
    assert one.overview(store, "nobody", NOW).versions == 0
    assert not one._models


def test_memory_is_bounded(store: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("wages", "clicks"):
        entry = Deployment(action="promote", champion=1, who="ann", why="first", at=NOW)
        append(DeploymentLog(store, other).log, entry)
    monkeypatch.setattr(board, "_WHOLE", 2)
    known = {}
    for name in (MODEL, "wages", "clicks"):
        assert ModelRecords(store, name).deployments
        known[name] = board_of(store).known(store, name)
    assert [one.size for one in known.values() if one is not None] == [0, 1, 1]


# --- a store that is far away ---


@pytest.fixture
def far(store: Counting) -> Counting:
    store.uri = f"s3://bucket/{store.uri}"
    return store


def test_ten_viewers_cost_as_much_as_one(far: Counting, clock: list[float]) -> None:
    def page() -> None:
        overview_of(far, MODEL, now=NOW)
        records = ModelRecords(far, MODEL)
        assert records.deployments
        assert records.releases

    page()
    far.asked.clear()
    for _ in range(9):
        page()
    assert not +far.asked
    clock[0] += recent.FRESH_FOR
    page()
    assert far.asked["read"] == 0
    assert 0 < far.asked.total() <= 13


def test_what_is_new_far_away_is_seen_after_a_moment(far: Counting, clock: list[float]) -> None:
    assert overview_of(far, MODEL, now=NOW).champion == 1
    assert ModelRecords(far, MODEL).deployments
    promote(far, 2)
    clock[0] += recent.FRESH_FOR
    assert overview_of(far, MODEL, now=NOW).champion == 2
    assert ModelRecords(far, MODEL).deployments[-1].champion == 2


def test_what_is_lost_far_away_is_noticed(far: Counting, clock: list[float]) -> None:
    whole = ModelRecords(far, MODEL).deployments
    far.forget(key(2))
    clock[0] += recent.SURE_FOR
    assert len(ModelRecords(far, MODEL).deployments) == len(whole) - 1
    far.forget(key(len(whole)))  # the newest one: at the next look
    clock[0] += recent.FRESH_FOR
    assert len(ModelRecords(far, MODEL).deployments) == len(whole) - 2
