"""Captured lines on the local disk on their way to the store: nothing is lost by kill -9, nothing is doubled.

A spool is a folder of its own process, locked while the process lives. A file in it lies under its later
store key, so its name alone says where it belongs: a file that was shipped but not yet removed when the
process died is shipped again under the same key, which ``create`` refuses, and is removed then. The spools of
dead processes are shipped by the next server that starts on the same store.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Lock
from uuid import uuid4

from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.captures import captures_prefix
from airflow_mlops.core.serving.hours import MAX_SPAN, file_name, hour_of
from airflow_mlops.core.store import Store

_LOCK = "lock"
#: How much longer a file may take records while the store is away; with it a file stays within MAX_SPAN.
_PATIENCE = timedelta(seconds=30)
_MAX_FILE = 8 << 20


@dataclass
class _Open:
    path: Path
    handle: int
    size: int
    opened: float


class Spool:
    """The spool of this process for one store. All methods may be called from any thread.

    :param root: folder that the spools of all servers on this store share.
    :param rotate: after how long a file is closed and shipped.
    :param limit: most bytes that wait on the disk; beyond it lines are refused.
    """

    def __init__(self, root: Path, store: Store, *, rotate: timedelta, limit: int) -> None:
        self._root = root
        self._store = store
        self._rotate = min(rotate, MAX_SPAN / 2).total_seconds()
        self._limit = limit
        self._name = uuid4().hex[:12]
        self._folder = root / self._name
        self._lock_file = _make_locked(self._folder)
        self._lock = Lock()
        self._open: dict[tuple[str, str], _Open] = {}
        self._closed: list[Path] = []
        self._sequence = 0
        self._store_is_away = False
        #: Bytes that wait on the disk.
        self.waiting = 0

    def append(self, model: str, variant: str, data: bytes) -> bool:
        """Append whole lines in one write; False when the spool or the disk is full and nothing was kept."""
        with self._lock:
            if self.waiting + len(data) > self._limit:
                return False
            try:
                file = self._file_for(model, variant)
                if os.write(file.handle, data) != len(data):
                    raise OSError("disk is full")
            except OSError:
                self._forget_torn_end(model, variant)
                return False
            file.size += len(data)
            self.waiting += len(data)
            return True

    def ship(self, *, everything: bool = False) -> None:
        """Bring closed files to the store, oldest first.

        :param everything: close and ship also what is still being written.
        :raises Exception: whatever the store raises; the files stay and are tried again by the next call.
        """
        with self._lock:
            self._close_old(everything)
            files = list(self._closed)
        for path in files:
            try:
                size = _ship_file(self._store, self._folder, path)
            except Exception:
                self._store_is_away = True
                raise
            with self._lock:
                self._closed.remove(path)
                self.waiting -= size
        self._store_is_away = False

    def adopt(self) -> int:
        """Ship what dead servers left behind; return the number of files. Two servers never adopt the same
        spool.
        """
        shipped = 0
        for folder in sorted(self._root.iterdir()):
            if folder == self._folder or folder.name.startswith(".") or not folder.is_dir():
                continue
            lock_file = _try_lock(folder)
            if lock_file is None:
                continue
            try:
                for path in sorted(folder.rglob("*.jsonl")):
                    _ship_file(self._store, folder, path)
                    shipped += 1
                shutil.rmtree(folder)
            finally:
                os.close(lock_file)
        return shipped

    def close(self) -> None:
        """Ship everything and remove the folder. :raises Exception: of the store; the next server adopts the
        rest.
        """
        try:
            self.ship(everything=True)
            shutil.rmtree(self._folder)
        finally:
            os.close(self._lock_file)

    def _file_for(self, model: str, variant: str) -> _Open:
        file = self._open.get((model, variant))
        now = time.monotonic()
        if file is not None and (file.size >= _MAX_FILE or now - file.opened >= self._age()):
            self._close(model, variant)
            file = None
        if file is None:
            at = utc_now()
            self._sequence += 1
            name = file_name(at, f"{self._name}-{self._sequence}")
            path = self._folder / f"{captures_prefix(model)}{variant}" / hour_of(at) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            file = self._open[model, variant] = _Open(path, handle, 0, now)
        return file

    def _age(self) -> float:
        return _PATIENCE.total_seconds() if self._store_is_away else self._rotate

    def _forget_torn_end(self, model: str, variant: str) -> None:
        file = self._open.get((model, variant))
        if file is not None:
            os.ftruncate(file.handle, file.size)

    def _close_old(self, everything: bool) -> None:
        now, age = time.monotonic(), self._age()
        for model, variant in list(self._open):
            if everything or now - self._open[model, variant].opened >= age:
                self._close(model, variant)

    def _close(self, model: str, variant: str) -> None:
        file = self._open.pop((model, variant))
        os.close(file.handle)
        self._closed.append(file.path)


def _ship_file(store: Store, folder: Path, path: Path) -> int:
    """Create the object of a file unless it is there, remove the file, and return its size."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]  # a killed server may leave a torn last line
    if whole:
        # The key is taken when the file was shipped before, but the server died before it could remove it.
        with suppress(KeyExists):
            store.create(path.relative_to(folder).as_posix(), whole)
    path.unlink()
    return len(data)


def _make_locked(folder: Path) -> int:
    """Make a spool and return its lock. It gets its name when it is locked, so nobody can take it for a dead
    one.
    """
    making = folder.with_name(f".{folder.name}")
    making.mkdir(parents=True, mode=0o700)
    handle = os.open(making / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    making.rename(folder)
    return handle


def _try_lock(folder: Path) -> int | None:
    """The lock of another server's spool, None while that server lives."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR)
    except FileNotFoundError:  # another server is just removing it
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
