"""Logs and records that somebody damaged, and the small rooms around them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from airflow_mlops.core.errors import (
    IntegrityError,
    KeyExists,
    KeyMissing,
    PlatformError,
    StoreError,
    UnsafeStore,
)
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Item, Log, Store, open_store
from airflow_mlops.core.store.base import check_key, check_prefix
from airflow_mlops.core.store.blobs import blob_key, fetch_file, put_bytes
from airflow_mlops.core.store.cache import cache_dir
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.probe import probe
from airflow_mlops.core.store.results import keep, recall
from airflow_mlops.core.store.s3 import S3Store


class Note(Record):
    """A small record."""

    text: str


class Other(Record):
    """A record of another shape."""

    count: int


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def fill(log: Log[Note], count: int) -> None:
    for number in range(count):
        log.append(Note(text=str(number)), after=number)


@pytest.mark.parametrize("count", [3, 30])
def test_a_lost_entry_is_told_and_not_skipped(store: FolderStore, tmp_path: Path, count: int) -> None:
    log = Log(store, "log", Note)
    fill(log, count)
    (tmp_path / "store" / log.key(2)).unlink()
    entries = log.entries()
    assert next(entries) == (1, Note(text="0"))
    with pytest.raises(IntegrityError, match="has lost an entry; given no entry 2"):
        next(entries)


def test_an_entry_that_is_no_record_is_named(store: FolderStore) -> None:
    log = Log(store, "log", Note)
    store.create(log.key(1), b"{}")
    store.create(log.key(2), b"\xff not json")
    for number in (1, 2):
        with pytest.raises(
            StoreError, match=f"entry {number} of log log in file:.* is not a Note; given"
        ) as caught:
            log.read(number)
        assert "\n" not in str(caught.value)


def test_a_listing_that_misses_an_entry_loses_none(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that grows while it is listed may show a later file and not an earlier one."""
    log = Log(store, "log", Note)
    fill(log, 4)
    complete = store.list

    def gappy(prefix: str, start_after: str = "") -> Iterator[Item]:
        return (item for item in complete(prefix, start_after) if not item.key.endswith("3.json"))

    monkeypatch.setattr(store, "list", gappy)
    assert [number for number, _ in log.entries()] == [1, 2, 3, 4]


def test_an_emptied_store_starts_anew(store: FolderStore, tmp_path: Path) -> None:
    log = Log(store, "log", Note)
    fill(log, 3)
    assert log.newest() == (3, Note(text="2"))
    shutil.rmtree(tmp_path / "store" / "log")
    assert log.newest() is None
    fill(log, 1)
    assert log.newest() == (1, Note(text="0"))


def test_entries_can_be_left_early(store: FolderStore) -> None:
    log = Log(store, "log", Note)
    fill(log, 100)
    for number, _ in log.entries():
        if number == 5:
            break
    assert number == 5


def test_a_reader_follows_a_writer_without_gaps(store: FolderStore) -> None:
    writer = Thread(target=fill, args=(Log(store, "log", Note), 300))
    log, seen = Log(store, "log", Note), 0
    writer.start()
    while seen < 300:
        for number, entry in log.entries(after=seen):
            assert (number, entry.text) == (seen + 1, str(seen))
            seen = number
    writer.join()


def test_append_once_after_a_crash_finds_its_entry(store: FolderStore) -> None:
    def run(text: str) -> tuple[int, Note]:
        return Log(store, "log", Note).append_once(Note(text=text), lambda entry: entry.text == text)

    assert [run("a"), run("b"), run("a"), run("b")] == [
        (1, Note(text="a")),
        (2, Note(text="b")),
        (1, Note(text="a")),
        (2, Note(text="b")),
    ]


def test_a_record_of_another_kind_is_refused(store: FolderStore) -> None:
    ref = keep(store, Note(text="x"))
    with pytest.raises(StoreError, match=r"is not a Other; given count: Field required"):
        recall(store, ref, Other)


@pytest.mark.parametrize("ref", ["", "abc", "../../etc/passwd", "A" * 64, "0" * 63 + "/", "0" * 64 + "\n"])
def test_a_reference_that_is_no_hash_is_refused(store: FolderStore, ref: str) -> None:
    with pytest.raises(StoreError, match="64 lower-case hex digits"):
        recall(store, ref, Note)


def test_a_damaged_cache_is_filled_again(store: FolderStore, tmp_path: Path) -> None:
    sha256 = put_bytes(store, b"right")
    path = fetch_file(store, sha256, tmp_path / "cache")
    path.write_bytes(b"wrong")
    assert fetch_file(store, sha256, tmp_path / "cache").read_bytes() == b"right"


def test_a_cached_file_needs_no_store(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = put_bytes(store, b"right")
    fetch_file(store, sha256, tmp_path / "cache")
    monkeypatch.setattr(store, "download", lambda *_: pytest.fail("it is there already"))
    assert fetch_file(store, sha256, tmp_path / "cache").read_bytes() == b"right"


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "here"))
    assert cache_dir() == tmp_path / "here"
    assert cache_dir().is_dir()
    monkeypatch.delenv("AIRFLOW_MLOPS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "airflow_mlops"
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "file"))
    with pytest.raises(PlatformError, match="set AIRFLOW_MLOPS_CACHE"):
        cache_dir()


@pytest.mark.parametrize("form", ["{}", "file://{}"])
@pytest.mark.parametrize("name", ["plain", "with#hash", "with?mark"])
def test_a_folder_opens_whole(tmp_path: Path, form: str, name: str) -> None:
    path = tmp_path / name
    store = open_store(form.format(path))
    store.create("k", b"x")
    assert (path / "k").read_bytes() == b"x"
    assert open_store(store.uri).read("k") == b"x"


def test_a_bucket_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    client = object()
    store = open_store("s3://bucket/some/prefix/", client)
    assert isinstance(store, S3Store)
    assert isinstance(store, Store)
    assert store.uri == "s3://bucket/some/prefix"
    assert open_store("s3://bucket", client).uri == "s3://bucket"


@pytest.mark.parametrize("uri", ["", "gs://b/p", "s3://", "s3:///p", "file://host/path", "https://host/x"])
def test_another_place_is_refused(uri: str) -> None:
    with pytest.raises(PlatformError, match="a folder, file:///path or s3://bucket/prefix"):
        open_store(uri, object())


def test_opening_a_folder_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from airflow_mlops.core.store import open_store, probe, results, cache, s3;"
        f"open_store({str(tmp_path)!r});"
        "print([m for m in ('boto3', 'botocore', 'numpy', 'pandas', 'airflow') if m in sys.modules])"
    )
    env = {"PYTHONPATH": ":".join(sys.path)}
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert shown.stdout == "[]\n"


class Memory:
    """A store in memory whose ``create`` goes wrong on purpose."""

    uri = "memory://"

    def __init__(self, create: Callable[[dict[str, bytes], str, bytes], None]) -> None:
        self.objects: dict[str, bytes] = {}
        self._create = create

    def read(self, key: str) -> bytes:
        if key not in self.objects:
            raise KeyMissing(key)
        return self.objects[key]

    def create(self, key: str, data: bytes) -> None:
        self._create(self.objects, key, data)


def overwrites(objects: dict[str, bytes], key: str, data: bytes) -> None:
    objects[key] = data


def keeps_silent(objects: dict[str, bytes], key: str, data: bytes) -> None:
    objects.setdefault(key, data)


def refuses_and_writes(objects: dict[str, bytes], key: str, data: bytes) -> None:
    taken = key in objects
    objects[key] = data
    if taken:
        raise KeyExists(key)


def refuses_everybody(objects: dict[str, bytes], key: str, data: bytes) -> None:
    objects[key] = data
    raise KeyExists(key)


def forgets(objects: dict[str, bytes], key: str, data: bytes) -> None:
    """Right as long as the writers race, and wrong for the one that comes after them."""
    late = data == b"writer 16"
    if objects.setdefault(key, data) is not data and not late:
        raise KeyExists(key)


@pytest.mark.parametrize("create", [overwrites, keeps_silent, refuses_and_writes, refuses_everybody, forgets])
def test_a_weak_store_is_refused(create: Callable[[dict[str, bytes], str, bytes], None]) -> None:
    with pytest.raises(
        UnsafeStore, match=r"memory:// can't hold logs; given .*; expected exactly one winner"
    ):
        probe(Memory(create))  # type: ignore[arg-type]


def test_a_store_that_fails_is_no_weak_store() -> None:
    def fails(objects: dict[str, bytes], key: str, data: bytes) -> None:
        raise StoreError("access is denied")

    with pytest.raises(StoreError, match="access is denied") as caught:
        probe(Memory(fails))  # type: ignore[arg-type]
    assert not isinstance(caught.value, UnsafeStore)


def test_keys_and_prefixes_that_are_allowed() -> None:
    for key in ("a", "models/m-1/versions/0000000001.json", "a=1/b+c@d_e.f", "x" * 255, blob_key("0" * 64)):
        assert check_key(key) == check_prefix(key) == key
        assert check_prefix(f"{key}/") == f"{key}/"
    assert check_prefix("") == ""
    assert hashlib.sha256(b"").hexdigest() in blob_key(hashlib.sha256(b"").hexdigest())
