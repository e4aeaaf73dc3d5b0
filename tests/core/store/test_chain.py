"""The audit log's chain: written before the record, by many at once, whatever dies."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

import airflow_mlops
from airflow_mlops.core.errors import KeyExists, LogConflict, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Item, Log, Store
from airflow_mlops.core.store.actor import act_as, acting, actor
from airflow_mlops.core.store.audited import NOT_OF_MODEL, OF_ENDPOINT, OF_MODEL, kind_of
from airflow_mlops.core.store.chain import (
    NOTHING,
    ChainEntry,
    Head,
    audited_create,
    chain_of,
    entry_key,
    head_of,
    note_read,
    note_removal,
    number_of,
)
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.results import keep_first

CHAIN = "audit/models/m"


class Note(Record):
    """A small record."""

    text: str = ""


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def log_of(store: Store) -> Log[Note]:
    return Log(store, "models/m/deployments", Note)


def entries(store: Store, chain: str = CHAIN) -> list[ChainEntry]:
    """All entries, each checked to follow the one before it."""
    found, before = [], NOTHING
    for number in range(1, head_of(store, chain).number + 1):
        data = store.read(entry_key(chain, number))
        entry = ChainEntry.from_bytes(data)
        assert entry.previous == before
        found.append(entry)
        before = hashlib.sha256(data).hexdigest()
    return found


def events(store: Store, chain: str = CHAIN) -> list[tuple[str, str]]:
    return [(entry.event, entry.key) for entry in entries(store, chain)]


def test_an_append_is_announced_before_and_noted_after(store: FolderStore) -> None:
    with acting("ann", "release/1/train"):
        log_of(store).append(Note(text="a"), after=0)
    key = "models/m/deployments/0000000001.json"
    first, second = entries(store)
    assert (first.event, second.event, first.key, second.key) == ("announced", "written", key, key)
    assert first.sha256 == second.sha256 == hashlib.sha256(store.read(key)).hexdigest()
    assert {(one.who, one.run) for one in (first, second)} == {("ann", "release/1/train")}
    assert [item.key for item in store.list("audit/")] == [entry_key(CHAIN, 1), entry_key(CHAIN, 2)]


def test_a_record_kept_first_is_announced_once(store: FolderStore) -> None:
    key = "datasets/m__weather/d1.json"
    assert keep_first(store, key, Note(text="a")) == keep_first(store, key, Note(text="b")) == Note(text="a")
    assert events(store) == [("announced", key), ("written", key)]


def test_a_lost_race_changes_nothing_for_the_caller(store: FolderStore) -> None:
    log = log_of(store)
    log.append(Note(text="a"), after=0)
    with pytest.raises(LogConflict, match="has moved on"):
        log.append(Note(text="b"), after=0)
    with pytest.raises(KeyExists):
        audited_create(store, log.key(1), b"{}")
    assert len(events(store)) == 2


def test_without_an_announcement_nothing_is_written(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.create

    def refuses(key: str, data: bytes) -> None:
        if key.startswith("audit/"):
            raise StoreError("access is denied")
        create(key, data)

    monkeypatch.setattr(store, "create", refuses)
    with pytest.raises(StoreError, match="access is denied"):
        log_of(store).append(Note(), after=0)
    assert list(store.list("")) == []
    store.create("models/m/answers/0000000001.json", b"not audited")


def test_a_note_that_fails_after_the_record_fails_nobody(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = store.create

    def refuses(key: str, data: bytes) -> None:
        if b'"written"' in data:
            raise StoreError("the disk is full")
        create(key, data)

    monkeypatch.setattr(store, "create", refuses)
    log = log_of(store)
    assert [log.append(Note(), after=number) for number in range(2)] == [1, 2]
    assert events(store) == [("announced", log.key(1)), ("announced", log.key(2))]


def _dies(folder: Path, at: int) -> None:
    """Append, and die by SIGKILL right before the ``at``-th object is stored."""
    store, stored = FolderStore(folder), 0
    create = store.create

    def counted(key: str, data: bytes) -> None:
        nonlocal stored
        stored += 1
        if stored == at:
            os.kill(os.getpid(), signal.SIGKILL)
        create(key, data)

    store.create = counted  # type: ignore[method-assign]
    log_of(store).append(Note(), after=0)


@pytest.mark.parametrize("at, left", [(1, []), (2, ["announced"]), (3, ["announced"])])
def test_a_killed_writer_leaves_no_record_that_was_not_announced(
    tmp_path: Path, at: int, left: list[str]
) -> None:
    child = multiprocessing.get_context("fork").Process(target=_dies, args=(tmp_path / "s", at))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    store = FolderStore(tmp_path / "s")
    assert [event for event, _ in events(store)] == left
    assert store.exists(log_of(store).key(1)) == (at == 3)
    Log(store, "models/m/policy", Note).append(Note(), after=0)
    assert [event for event, _ in events(store)] == [*left, "announced", "written"]


def _appends(folder: Path, part: str, count: int) -> None:
    log = Log(FolderStore(folder), f"models/m/{part}", Note)
    for number in range(count):
        log.append(Note(text=part), after=number)


def test_processes_share_one_chain(tmp_path: Path) -> None:
    parts = ("deployments", "releases", "monitoring")
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_appends, args=(tmp_path / "s", part, 8)) for part in parts]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    found = events(FolderStore(tmp_path / "s"))
    assert len(found) == len(set(found)) == 2 * 8 * len(parts)
    for event, key in found:
        assert found.index(("announced", key)) <= found.index((event, key))


def test_threads_of_one_store_share_one_chain(store: FolderStore) -> None:
    start = Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for each in range(6):
            audited_create(store, f"datasets/m/{number}-{each}.json", b"{}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert len(events(store)) == 2 * 4 * 6


def test_a_damaged_chain_is_continued(store: FolderStore, tmp_path: Path) -> None:
    log = log_of(store)
    for number in range(3):
        log.append(Note(), after=number)
    chain = tmp_path / "store"
    (chain / entry_key(CHAIN, 2)).unlink()
    (chain / entry_key(CHAIN, 6)).write_bytes(b"\xff no entry")
    fresh = FolderStore(tmp_path / "store")
    assert log_of(fresh).append(Note(), after=3) == 4
    added = ChainEntry.from_bytes(fresh.read(entry_key(CHAIN, 7)))
    assert added.previous == hashlib.sha256(b"\xff no entry").hexdigest()


def test_the_newest_entry_is_found_behind_full_and_empty_folders(store: FolderStore, tmp_path: Path) -> None:
    store.create(entry_key(CHAIN, 999), b"{}")
    store.create(entry_key(CHAIN, 2500), b"{}")
    store.create(f"{CHAIN}/notes/0000009999.json", b"{}")
    (tmp_path / "store" / CHAIN / "0000007").mkdir()
    assert head_of(store, CHAIN) == Head(2500, hashlib.sha256(b"{}").hexdigest())
    assert [entry_key(CHAIN, number).split("/")[3] for number in (1, 1000, 1001)] == [
        "0000000",
        "0000000",
        "0000001",
    ]


def test_a_busy_process_lists_a_chain_once(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, list_ = [], store.list

    def counted(prefix: str, start_after: str = "") -> Iterator[Item]:
        listed.append(prefix)
        return list_(prefix, start_after)

    monkeypatch.setattr(store, "list", counted)
    for number in range(5):
        audited_create(store, f"pins/m/{number}.json", b"{}")
    assert len(listed) <= 1


def test_a_chain_that_hides_its_entry_is_told(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    audited_create(store, "pins/m/1.json", b"{}")
    fresh = FolderStore(Path(store.uri.removeprefix("file://")))
    monkeypatch.setattr(fresh, "list", lambda *_: iter(()))
    with pytest.raises(StoreError, match=r"audit log audit/models/m in .* can't be continued; given entry 1"):
        audited_create(fresh, "pins/m/2.json", b"{}")
    assert not fresh.exists("pins/m/2.json")


def test_a_removal_is_noted_and_a_reading_once_for_each_reader(store: FolderStore) -> None:
    key = "datasets/m/d1.json"
    note_removal(store, key, "retention")
    note_removal(store, "blobs/ab/abc", "retention")
    for who, run in (("ann", None), ("ann", None), ("ben", None), ("ann", "r/1")):
        with acting(who, run):
            note_read(store, key)
    assert events(store) == [("removing", key), *[("read", key)] * 3]
    assert [(one.who, one.run) for one in entries(store)[1:]] == [
        ("ann", None),
        ("ben", None),
        ("ann", "r/1"),
    ]


def test_who_is_at_work_is_said_by_the_innermost() -> None:
    def work() -> list[tuple[str, str | None]]:
        seen = [(actor().who, actor().run)]
        act_as("task", "d/r/t")
        with acting("ann"):
            seen.append((actor().who, actor().run))
        return [*seen, (actor().who, actor().run)]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == [("unknown", None), ("ann", None), ("task", "d/r/t")]


@pytest.mark.parametrize(
    "key, chain, kind",
    [
        ("models/m/versions/0000000001.json", "audit/models/m", "model"),
        ("models/m/deployments/0000000001.json", "audit/models/m", "traffic"),
        ("models/m/approvals/0000000001.json", "audit/models/m", "decision"),
        ("models/m/policy/0000000001.json", "audit/models/m", "policy"),
        ("models/m/refused/0000000001.json", "audit/models/m", "decision"),
        ("models/m/replays/2/verdict.json", "audit/models/m", "decision"),
        ("endpoints/m/served/0000000001.json", "audit/models/m", "traffic"),
        ("datasets/m/d1.json", "audit/models/m", "data"),
        ("datasets/m__weather/d1.json", "audit/models/m", "data"),
        ("pins/m__scoring/d1.json", "audit/models/m", "data"),
        ("privacy/m/d1/0123.json", "audit/models/m", "data"),
        ("retention/0000000001.json", "audit/store", "data"),
        ("models/m/answers/0000000001.json", None, None),
        ("models/m/usual/1-a.json", None, None),
        ("models/m/versions", None, None),
        ("captures/m/a.jsonl", None, None),
        ("blobs/ab/abcd", None, None),
        ("log/0000000001.json", None, None),
        ("audit/models/m/0000000/0000000001.json", None, None),
    ],
)
def test_where_a_record_stands(key: str, chain: str | None, kind: str | None) -> None:
    assert (chain_of(key), kind_of(key)) == (chain, kind)


def test_every_log_of_a_model_is_decided_about() -> None:
    """A new log is audited, or somebody has said that it is not."""
    root = Path(airflow_mlops.__file__).parent
    # Addresses of pages look like keys.
    makers = [path for path in root.rglob("*.py") if path.relative_to(root).parts[0] not in ("ui", "links")]
    code = "".join(path.read_text() for path in makers)
    of_model = set(re.findall(r'[f"]"models/\{[^}]+\}/([a-z_]+)', code))
    of_endpoint = set(re.findall(r'f"endpoints/\{[^}]+\}/([a-z_]+)', code))
    assert {"versions", "deployments"} <= of_model
    assert of_model <= {*OF_MODEL, *NOT_OF_MODEL}
    assert of_endpoint <= set(OF_ENDPOINT)


@pytest.mark.parametrize(
    "name", ["0000000001.json", "0000001/0000000001.json", "0000000/0000000000.json", "x"]
)
def test_a_name_that_is_no_place_of_an_entry_has_no_number(name: str) -> None:
    assert number_of(CHAIN, f"{CHAIN}/{name}") is None
    assert number_of(CHAIN, entry_key(CHAIN, 12345)) == 12345
