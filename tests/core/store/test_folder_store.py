"""What only a folder can do wrong: crashes, links, leftovers, permissions."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import KeyExists, LogConflict, StoreError, UnsafeStore
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.store.probe import probe

PROCESSES = 16
PATH = {"PYTHONPATH": os.pathsep.join(sys.path)}


class Note(Record):
    """A small record."""

    writer: int = 0
    number: int = 0


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def keys(store: FolderStore, prefix: str = "") -> list[str]:
    return [item.key for item in store.list(prefix)]


def _race(root: Path, writer: int, start: Any, won: Any) -> None:
    store = FolderStore(root)
    start.wait()
    mine = 0
    for turn in range(20):
        try:
            store.create(f"race/{turn:02d}", b"%d" % writer)
            mine += 1
        except KeyExists:
            continue
    log = Log(store, "log", Note)
    for number in range(5):
        last = 0
        while True:
            last = log.last_number(last)
            try:
                log.append(Note(writer=writer, number=number), after=last)
                break
            except LogConflict:
                continue
    won[writer] = mine


def test_processes_race_for_keys_and_numbers(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, won = context.Barrier(PROCESSES), context.Array("i", [-1] * PROCESSES)
    writers = [
        context.Process(target=_race, args=(tmp_path, n, start, won), daemon=True) for n in range(PROCESSES)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    store = FolderStore(tmp_path)
    assert sum(won) == 20
    stored = [int(store.read(key)) for key in keys(store, "race/")]
    assert [stored.count(writer) for writer in range(PROCESSES)] == list(won)
    found = list(Log(store, "log", Note).entries())
    assert [number for number, _ in found] == list(range(1, PROCESSES * 5 + 1))
    for writer in range(PROCESSES):
        assert [entry.number for _, entry in found if entry.writer == writer] == list(range(5))


_UPLOADER = """
import sys
from pathlib import Path
from airflow_mlops.core.store import arrival, folder
def slow(path):
    for chunk in arrival.chunks_of(path):
        yield chunk
        print("writing", flush=True)
        sys.stdin.read()
folder.chunks_of = slow
folder.FolderStore(Path(sys.argv[1])).upload(Path(sys.argv[2]), "models/m/1.bin", "0" * 64)
"""


def test_a_writer_killed_in_the_middle_leaves_no_key(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 << 20))
    process = subprocess.Popen(
        [sys.executable, "-c", _UPLOADER, str(tmp_path / "store"), str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **PATH},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    store = FolderStore(tmp_path / "store")
    assert keys(store) == []
    assert not store.exists("models/m/1.bin")
    (leftover,) = (tmp_path / "store" / ".aside").iterdir()
    store.create("models/m/1.bin", b"second try")
    assert store.read("models/m/1.bin") == b"second try"
    assert leftover.exists(), "a fresh leftover may be a slow writer's"
    os.utime(leftover, (time.time() - 90000,) * 2)
    FolderStore(tmp_path / "store")
    assert not leftover.exists()
    assert keys(store) == ["models/m/1.bin"]


_APPENDER = """
import sys
from pathlib import Path
from airflow_mlops.core.record import Record
from airflow_mlops.core.store import Log
from airflow_mlops.core.store.folder import FolderStore
class Note(Record):
    writer: int = 0
    number: int = 0
log = Log(FolderStore(Path(sys.argv[1])), "log", Note)
number = log.last_number()
while True:
    log.append(Note(number=number), after=number)
    number += 1
    print(number, flush=True)
"""


def test_kills_at_any_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    promised = 0
    for turn in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", _APPENDER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **PATH},
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.003 * turn)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        lines = (first + rest).splitlines(keepends=True)
        promised = max([promised, *(int(line) for line in lines if line.endswith("\n"))])
        found = list(Log(FolderStore(tmp_path), "log", Note).entries())
        assert len(found) >= promised
        assert [entry.number for _, entry in found] == list(range(len(found)))
    assert promised >= 8, "each of them has appended something"


def test_a_key_below_another_key_is_refused_both_ways(store: FolderStore) -> None:
    store.create("a/b", b"1")
    store.create("c", b"1")
    for key in ("a", "c/d", "c/d/e"):
        with pytest.raises(StoreError, match="an object and a folder of others") as caught:
            store.create(key, b"2")
        assert not isinstance(caught.value, KeyExists), "append_once would try for ever"
    assert keys(store) == ["a/b", "c"]
    assert list((store._root / ".aside").iterdir()) == []


def test_symbolic_links_lead_nowhere(store: FolderStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    (store._root / "out").symlink_to(outside)
    (store._root / "file").symlink_to(outside / "secret")
    (store._root / "dangling").symlink_to(outside / "new")
    (store._root / "loop").symlink_to(store._root)
    for key in ("out/secret", "file", "dangling", "loop/loop/x"):
        for action in (store.read, store.exists, lambda key: store.create(key, b"")):
            with pytest.raises(StoreError, match="symbolic link"):
                action(key)
    with pytest.raises(StoreError, match="symbolic link"):
        store.list("out/")
    assert keys(store) == []
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_names_that_are_no_keys_are_no_part_of_the_store(store: FolderStore) -> None:
    store.create("log/0000000001.json", Note(number=1).to_bytes())
    for name in (".nfs0001", "backup~", "with space", "0000000002.json.swp", "notes.txt"):
        (store._root / "log" / name).write_bytes(b"")
    (store._root / "log" / "0000000009.json").mkdir()
    log = Log(store, "log", Note)
    assert keys(store) == ["log/0000000001.json", "log/0000000002.json.swp", "log/notes.txt"]
    assert log.newest() == (1, Note(number=1))


def test_a_file_in_place_of_the_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in ("file", "file/below"):
        with pytest.raises(StoreError, match=r"can't hold a store; given .*; expected a folder"):
            FolderStore(tmp_path / place)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_an_error_of_the_system_is_one_line_and_leaves_nothing(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(handle: int) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match=f"can't write k in file://.*{os.strerror(code)}"):
            store.create("k", b"x")
    assert keys(store) == []
    assert list((store._root / ".aside").iterdir()) == []


def test_a_file_system_without_hard_links_is_named(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StoreError, match=r"no hard links; put the store on a local file system"):
        store.create("k", b"x")


def test_a_link_whose_answer_was_lost_is_ours(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS may do the link, lose the answer and say "exists" to the repetition."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    store.create("k", b"x")
    assert store.read("k") == b"x"


def test_files_and_folders_reach_the_disk_before_create_returns(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watch(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}").removeprefix(str(store._root)))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    store.create("a/b/k", b"x")
    assert synced[0].startswith("/.aside/")
    assert synced[1:] == ["", "/a", "/a/b"]


def test_others_may_read_what_the_umask_lets_them(store: FolderStore) -> None:
    before = os.umask(0o027)
    try:
        store.create("k", b"x")
    finally:
        os.umask(before)
    assert (store._root / "k").stat().st_mode & 0o777 == 0o640


def test_a_file_system_that_overwrites_is_unsafe(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", os.replace)
    monkeypatch.setattr(FolderStore, "_require_free", lambda *_: None)
    with pytest.raises(UnsafeStore, match=r"16 writers.*local file system"):
        probe(store)


def test_only_scratch_keys_can_be_removed(store: FolderStore) -> None:
    store.create("log/1", b"x")
    with pytest.raises(StoreError, match="only scratch keys"):
        store.discard_scratch("log/1")
    assert store.exists("log/1")


def test_following_a_long_log_costs_a_look_up(store: FolderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = store._root / "log"
    folder.mkdir()
    for number in range(1, 10_001):
        (folder / f"{number:010d}.json").write_bytes(b"{}")
    log = Log(store, "log", Note)
    assert log.last_number(9_990) == 10_000
    assert log.newest() == (10_000, Note())
    monkeypatch.setattr(store, "list", lambda *_, **__: pytest.fail("no listing is needed"))
    assert log.last_number(10_000) == 10_000
    assert log.newest() == (10_000, Note())
