"""Captures on their way: nothing lost, nothing doubled, whatever dies."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from airflow_mlops.core.errors import StoreError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving import spool as spooling
from airflow_mlops.core.serving.captures import read_captures
from airflow_mlops.core.serving.spool import Spool
from airflow_mlops.core.store.folder import FolderStore
from tests.core.serving.fakes import MODEL, ROW, client, deploy, running
from tests.waiting import PATIENCE, wait_until

INVOKE = f"/endpoints/{MODEL}/invocations"
NOW = timedelta(seconds=0)


def files(store: FolderStore) -> list[bytes]:
    return [store.read(item.key) for item in store.list("captures/")]


def spool_of(root: Path, store: FolderStore, limit: int = 1 << 20) -> Spool:
    return Spool(root, store, rotate=NOW, limit=limit)


def die(spool: Spool) -> None:
    """What kill -9 does: the lock is gone, the files stay."""
    os.close(spool._lock_file)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file grows old."""
    monkeypatch.setattr(spooling, "time", SimpleNamespace(monotonic=lambda: 0.0))


@pytest.mark.usefixtures("still")
def test_lines_are_shipped_once_each(store: FolderStore, tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", store, rotate=timedelta(seconds=30), limit=1 << 20)
    for number in range(3):
        assert spool.append(MODEL, "v1", b"line %d\n" % number)
    spool.append(MODEL, "v2", b"other\n")
    spool.ship()
    assert files(store) == []
    spool.ship(everything=True)
    assert sorted(files(store)) == [b"line 0\nline 1\nline 2\n", b"other\n"]
    assert spool.waiting == 0
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_names_sort_by_time(store: FolderStore, tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "spool", store)
    for number in range(20):
        spool.append(MODEL, "v1", b"%d\n" % number)
        spool.ship()
    assert files(store) == [b"%d\n" % number for number in range(20)]


def test_next_server_ships_what_a_dead_one_left(store: FolderStore, tmp_path: Path) -> None:
    dead = spool_of(tmp_path / "spool", store)
    dead.append(MODEL, "v1", b"whole\ntorn")
    die(dead)
    alive = spool_of(tmp_path / "spool", store)
    assert alive.adopt() == 1
    assert files(store) == [b"whole\n"]
    assert alive.adopt() == 0
    alive.close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_living_servers_spool_is_left_alone(store: FolderStore, tmp_path: Path) -> None:
    first = spool_of(tmp_path / "spool", store)
    first.append(MODEL, "v1", b"mine\n")
    second = spool_of(tmp_path / "spool", store)
    assert second.adopt() == 0
    first.close()
    second.close()
    assert files(store) == [b"mine\n"]


def test_file_that_was_shipped_before_the_death_is_not_doubled(store: FolderStore, tmp_path: Path) -> None:
    dead = spool_of(tmp_path / "spool", store)
    dead.append(MODEL, "v1", b"line\n")
    path = next(dead._folder.rglob("*.jsonl"))
    store.create(path.relative_to(dead._folder).as_posix(), b"line\n")
    die(dead)
    assert spool_of(tmp_path / "spool", store).adopt() == 1
    assert files(store) == [b"line\n"]


def test_store_outage_keeps_everything_in_order(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spool_of(tmp_path / "spool", store)
    spool.append(MODEL, "v1", b"1\n")

    def away(*args: object) -> None:
        raise StoreError("store is away")

    monkeypatch.setattr(FolderStore, "create", away)
    for number in range(2, 5):
        with pytest.raises(StoreError):
            spool.ship()
        assert spool.append(MODEL, "v1", b"%d\n" % number)
    assert spool.waiting == 8
    monkeypatch.undo()
    spool.close()
    assert b"".join(files(store)) == b"1\n2\n3\n4\n"


def test_full_spool_refuses_and_recovers(store: FolderStore, tmp_path: Path) -> None:
    spool = spool_of(tmp_path / "spool", store, limit=10)
    assert spool.append(MODEL, "v1", b"12345678\n")
    assert not spool.append(MODEL, "v1", b"9\n")
    spool.ship()
    assert spool.append(MODEL, "v1", b"9\n")


@pytest.mark.usefixtures("still")
def test_full_disk_leaves_no_torn_line(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool", store, rotate=timedelta(seconds=30), limit=1 << 20)
    spool.append(MODEL, "v1", b"first\n")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
        assert not spool.append(MODEL, "v1", b"second\n")
    assert spool.append(MODEL, "v1", b"third\n")
    spool.close()
    assert files(store) == [b"first\nthird\n"]


def test_serving_goes_on_while_the_store_is_away(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(store, "promote", 1)
    start = utc_now()
    with running(store, spool=tmp_path / "spool") as url, client(url) as http:
        with monkeypatch.context() as patch:

            def away(*args: object) -> None:
                raise StoreError("store is away")

            patch.setattr(FolderStore, "create", away)
            for number in range(20):
                assert http.post(INVOKE, json=[{**ROW, "x": number}]).status_code == 200
            wait_until(lambda: "mlops_capture_ship_failures_total 0.0" not in http.get("/metrics").text)
            wait_until(lambda: "mlops_capture_spool_bytes 0.0" not in http.get("/metrics").text)
        wait_until(lambda: "mlops_capture_spool_bytes 0.0" in http.get("/metrics").text)
    found = [record.rows[0]["x"] for record in read_captures(store, MODEL, start)]
    assert sorted(found) == list(range(20))


@contextmanager
def process_of(store: Path, spool: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server as a process of its own, and its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.core.serving.serve_fakes", str(store), str(spool)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def on_disk(http: httpx.Client) -> int:
    """How many captured answers are on the server's disk, as it says."""
    found = re.search(r"^mlops_captures_written_total\S+ (\S+)$", http.get("/metrics").text, re.MULTILINE)
    return int(float(found[1])) if found else 0


def answered_while_killed(
    url: str, process: subprocess.Popen[str], number: int, end: signal.Signals
) -> tuple[list[str], int]:
    """Inference ids of the answers that came before the process was ended under load, in their order, and how many of
    them were on its disk by then: most of them, as answers come to the disk while others are given.
    """
    answered: list[str] = []
    written = 0
    with client(url) as http:
        while True:
            inference_id = f"{number}-{len(answered)}"
            try:
                response = http.post(
                    INVOKE, json=[ROW], headers={"x-amzn-sagemaker-inference-id": inference_id}
                )
            except httpx.HTTPError:
                return answered, written
            assert response.status_code == 200
            answered.append(inference_id)
            assert len(answered) < 20_000, "captures stay far behind the answers"
            if not written and len(answered) % 50 == 0:
                seen = on_disk(http)
                if seen >= 300 and len(answered) - seen < 200:
                    written = seen
                    process.send_signal(end)


def test_kill_9_loses_no_capture_that_came_to_the_disk_and_doubles_none(tmp_path: Path) -> None:
    """Three servers are killed under load, the fourth one is asked to stop: it has flushed everything."""
    store = FolderStore(tmp_path / "store")
    deploy(store, "promote", 1)
    start = utc_now()
    must, may = set(), set()
    for number, end in enumerate([signal.SIGKILL] * 3 + [signal.SIGTERM]):
        with process_of(tmp_path / "store", tmp_path / "spool") as (process, url):
            answered, written = answered_while_killed(url, process, number, end)
            assert process.wait(PATIENCE) == (-end if end == signal.SIGKILL else 0)
        must.update(answered[:written] if end == signal.SIGKILL else answered)
        may.update(answered)
    found = Counter(record.inference_id for record in read_captures(store, MODEL, start))
    assert set(found.values()) == {1}
    assert must <= found.keys()
    assert list((tmp_path / "spool").iterdir()) == []
