"""One suite over every store: what the lifecycle relies on holds wherever it runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from airflow_mlops.core.errors import IntegrityError, KeyExists, KeyMissing, LogConflict, StoreError
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Item, Log, Store
from airflow_mlops.core.store.blobs import blob_key, fetch_file, get_bytes, hash_file, put_bytes, put_file
from airflow_mlops.core.store.multipart import PART_BYTES
from airflow_mlops.core.store.probe import probe
from airflow_mlops.core.store.removal import Removal
from airflow_mlops.core.store.results import keep, recall

WRITERS = 16
UNSAFE = [
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/..",
    "a/./b",
    ".hidden",
    "a/.aside/b",
    "a\\b",
    "a b",
    "a\n",
    "a\x00b",
    "a%2e%2e",
    "a?b",
    "a#b",
    "modèle",
    "模型",
    "x" * 256,
    "/".join(["x" * 200] * 6),
]


class Note(Record):
    """A small record."""

    writer: int = 0
    number: int = 0


def together(count: int, work: Callable[[int], object]) -> list[object]:
    """Run ``work(0..count-1)`` in threads that start at the same moment."""
    start = Barrier(count)

    def one(number: int) -> object:
        start.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def keys(store: Store, prefix: str = "", start_after: str = "") -> list[str]:
    return [item.key for item in store.list(prefix, start_after)]


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 4096 * 9], ids=["empty", "small", "9MiB"])
def test_what_was_created_is_read_back(store: Store, data: bytes) -> None:
    store.create("some/key.bin", data)
    assert store.read("some/key.bin") == data
    assert store.exists("some/key.bin")
    assert list(store.list("")) == [Item("some/key.bin", len(data))]


def test_nothing_is_overwritten(store: Store) -> None:
    store.create("k", b"first")
    with pytest.raises(KeyExists, match="k exists in"):
        store.create("k", b"second")
    assert store.read("k") == b"first"


def test_a_missing_key_is_named(store: Store, tmp_path: Path) -> None:
    assert not store.exists("models/none")
    for action in (
        lambda: store.read("models/none"),
        lambda: store.download("models/none", tmp_path / "f", "0" * 64),
    ):
        with pytest.raises(KeyMissing, match="models/none"):
            action()
    assert not (tmp_path / "f").exists()


def test_a_folder_of_keys_is_no_key(store: Store) -> None:
    store.create("a/b", b"")
    assert not store.exists("a")
    with pytest.raises(KeyMissing):
        store.read("a")


@pytest.mark.parametrize("key", UNSAFE)
def test_a_key_that_could_leave_the_store_is_refused(store: Store, key: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    actions = [
        lambda: store.read(key),
        lambda: store.create(key, b"x"),
        lambda: store.exists(key),
        lambda: store.upload(file, key, hash_file(file)),
        lambda: store.download(key, tmp_path / "out", hash_file(file)),
    ]
    for action in actions:
        with pytest.raises(StoreError, match="key is not allowed"):
            action()
    assert keys(store) == []


@pytest.mark.parametrize("prefix", ["/", "../", "a/../", "..", "a//", "é", ".aside/"])
def test_a_prefix_that_could_leave_the_store_is_refused_before_the_first_item(
    store: Store, prefix: str
) -> None:
    with pytest.raises(StoreError, match="key is not allowed"):
        store.list(prefix)


def test_one_of_many_writers_wins(open_again: Callable[[], Store]) -> None:
    stores = [open_again() for _ in range(WRITERS)]
    for turn in range(5):

        def write(number: int, key: str = f"race/{turn}") -> bool:
            try:
                stores[number].create(key, b"%d" % number)
            except KeyExists:
                return False
            return True

        won = together(WRITERS, write)
        assert won.count(True) == 1
        assert stores[0].read(f"race/{turn}") == b"%d" % won.index(True)


def test_appends_in_a_race_leave_no_gap_and_lose_nothing(open_again: Callable[[], Store]) -> None:
    each = 4

    def work(writer: int) -> list[int]:
        log = Log(open_again(), "models/m/log", Note)
        mine: list[int] = []
        last = 0
        for number in range(each):
            while True:
                last = log.last_number(last)
                try:
                    mine.append(log.append(Note(writer=writer, number=number), after=last))
                    break
                except LogConflict:
                    continue
        return mine

    numbers = together(WRITERS, work)
    log = Log(open_again(), "models/m/log", Note)
    found = list(log.entries())
    assert [number for number, _ in found] == list(range(1, WRITERS * each + 1))
    for writer, mine in enumerate(numbers):
        assert [(n, e.number) for n, e in found if e.writer == writer] == list(
            zip(mine, range(each), strict=True)
        )


def test_append_once_in_a_race_stands_once(open_again: Callable[[], Store]) -> None:
    """Eight runs, each tried twice at the same moment."""

    def work(number: int) -> tuple[int, Note]:
        run = number % 8
        log = Log(open_again(), "log", Note)
        return log.append_once(Note(writer=run, number=number), lambda entry: entry.writer == run)

    stands = together(WRITERS, work)
    found = list(Log(open_again(), "log", Note).entries())
    assert sorted(entry.writer for _, entry in found) == list(range(8))
    assert set(stands) == set(found)


def test_a_log_is_followed_from_a_known_number(store: Store) -> None:
    log = Log(store, "log", Note)
    assert (log.newest(), log.last_number(), list(log.entries())) == (None, 0, [])
    for number in range(12):
        log.append(Note(number=number), after=number)
    assert [log.last_number(hint) for hint in (0, 1, 11, 12)] == [12] * 4
    assert log.newest() == (12, Note(number=11))
    assert list(log.entries(after=10)) == [(11, Note(number=10)), (12, Note(number=11))]
    assert list(log.entries(after=12)) == []
    log.append(Note(number=12), after=12)
    assert log.newest() == (13, Note(number=12))


@pytest.mark.parametrize("after", [0, 1, 3, 99])
def test_an_append_that_is_not_after_the_newest_is_refused(store: Store, after: int) -> None:
    log = Log(store, "log", Note)
    log.append(Note(), after=0)
    log.append(Note(), after=1)
    with pytest.raises(LogConflict, match=f"after entry {after}"):
        log.append(Note(), after=after)
    assert log.last_number() == 2


def test_listing_goes_beyond_a_page_and_starts_after_a_key(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.create(f"many/{number:05d}", b"x"), range(1105)))
    everything = [f"many/{number:05d}" for number in range(1105)]
    assert keys(store, "many/") == everything
    assert keys(store, "many/", "many/00999") == everything[1000:]
    assert keys(store, "many/", "many/01104") == []
    assert keys(store, "many/0100", "many/01003") == everything[1004:1010]
    assert keys(store, "man", "a") == everything


def test_keys_come_in_the_order_of_their_bytes(store: Store) -> None:
    names = [
        "a-b",
        "a.json",
        "a/b",
        "a/b-c/d",
        "a/b.x",
        "a/c/d",
        "a=",
        "a@1",
        "aB",
        "a_b",
        "ab",
        "A/z",
        "0",
        "a+b",
    ]
    for name in names:
        store.create(name, b"")
    ordered = sorted(names, key=str.encode)
    assert keys(store) == ordered
    for number, name in enumerate(ordered):
        assert keys(store, "", name) == ordered[number + 1 :]
    assert keys(store, "a") == [name for name in ordered if name.startswith("a")]
    assert keys(store, "a/") == [name for name in ordered if name.startswith("a/")]
    assert keys(store, "a/b") == ["a/b", "a/b-c/d", "a/b.x"]
    assert keys(store, "none/") == keys(store, "a/b/") == []


@pytest.mark.parametrize("size", [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 12345])
def test_a_file_is_streamed_there_and_back(store: Store, tmp_path: Path, size: int) -> None:
    file, copy = tmp_path / "file", tmp_path / "new" / "copy"
    file.write_bytes(os.urandom(size))
    sha256 = hash_file(file)
    store.upload(file, "files/one", sha256)
    store.download("files/one", copy, sha256)
    assert hash_file(copy) == sha256
    assert [item.size for item in store.list("files/")] == [size]
    with pytest.raises(KeyExists):
        store.upload(file, "files/one", sha256)


@pytest.mark.parametrize("size", [1000, PART_BYTES + 1000])
def test_a_corrupt_upload_stores_nothing(store: Store, tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(size))
    with pytest.raises(IntegrityError, match="file was changed"):
        store.upload(file, "files/one", hashlib.sha256(b"other").hexdigest())
    assert keys(store) == []
    store.upload(file, "files/one", hash_file(file))


def test_a_corrupt_download_leaves_the_file_as_it_was(store: Store, tmp_path: Path) -> None:
    store.create("files/one", b"changed")
    (tmp_path / "old").write_bytes(b"old")
    for name in ("old", "new"):
        with pytest.raises(IntegrityError, match="files/one was changed"):
            store.download("files/one", tmp_path / name, hashlib.sha256(b"right").hexdigest())
    assert (tmp_path / "old").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["old"]


def test_a_missing_file_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere can't be read; given No such file"):
        store.upload(tmp_path / "nowhere", "k", "0" * 64)
    assert keys(store) == []


def test_blobs_are_stored_once_and_checked(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    sha256 = put_bytes(store, b"content")
    assert put_file(store, file) == put_bytes(store, b"content") == sha256
    assert keys(store) == [blob_key(sha256)]
    assert (
        get_bytes(store, sha256) == fetch_file(store, sha256, tmp_path / "cache").read_bytes() == b"content"
    )


def test_the_same_blob_from_many_writers_is_one(open_again: Callable[[], Store], tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(PART_BYTES + 5))
    assert len(set(together(4, lambda _: put_file(open_again(), file)))) == 1
    assert len(keys(open_again())) == 1
    assert fetch_file(open_again(), hash_file(file), tmp_path / "cache").stat().st_size == PART_BYTES + 5


def test_a_changed_blob_is_refused(store: Store, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(b"right").hexdigest()
    store.create(blob_key(sha256), b"wrong")
    with pytest.raises(IntegrityError, match="was changed"):
        get_bytes(store, sha256)
    with pytest.raises(IntegrityError, match="was changed"):
        fetch_file(store, sha256, tmp_path)


def test_a_record_is_kept_and_recalled(store: Store) -> None:
    ref = keep(store, Note(writer=3))
    assert keep(store, Note(writer=3)) == ref
    assert recall(store, ref, Note) == Note(writer=3)
    with pytest.raises(KeyMissing):
        recall(store, "0" * 64, Note)


def test_the_probe_trusts_it_and_leaves_nothing(store: Store) -> None:
    probe(store)
    assert keys(store) == []


def test_a_probe_finds_its_way_beside_others(open_again: Callable[[], Store]) -> None:
    together(3, lambda _: probe(open_again()))
    assert keys(open_again()) == []


def test_blobs_and_manifests_can_be_removed_and_nothing_else(store: Store) -> None:
    assert isinstance(store, Removal)
    sha256 = put_bytes(store, b"old")
    store.remove(blob_key(sha256))
    store.remove(blob_key(sha256))
    assert not store.exists(blob_key(sha256))
    store.create("models/m/versions/1", b"x")
    for key in ("models/m/versions/1", "audit/a", "blobs"):
        with pytest.raises(StoreError, match="only blobs, manifests and traffic"):
            store.remove(key)
    assert put_bytes(store, b"old") == sha256
    assert get_bytes(store, sha256) == b"old"
