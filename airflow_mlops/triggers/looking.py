"""How hundreds of rollouts look from one process: with few threads, few clients, and no faster than it can."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from airflow_mlops.core.store import Store
    from airflow_mlops.platform import Platform

T = TypeVar("T")
#: Looks at once. They wait for the store most of their time, so there are more of them than cores; the loop's own
#: threads stay free for other triggers.
THREADS = 12
#: Looks for new data at once. They have threads of their own: a long listing must not make a canary wait.
ARRIVAL_THREADS = 6
#: First looks at once: each reads all that its stage has captured so far, so few of them bound the memory.
FIRST_THREADS = 4
#: A connection that was read so long ago is read again for the next trigger, or the next try after a fault.
_FRESH = 60.0
#: After faults a trigger waits longer, at most so many times.
_LONGEST = 6


class Place:
    """What the triggers of one connection share. :param platform: of the connection; ``store``: its store."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.store: Store = platform.store()
        self._until = time.monotonic() + _FRESH

    @property
    def fresh(self) -> bool:
        """Whether the connection was read a short while ago."""
        return time.monotonic() < self._until


class Lookout:
    """Threads and places of one process."""

    def __init__(self) -> None:
        self._next = ThreadPoolExecutor(THREADS, thread_name_prefix="rollout-look")
        self._first = ThreadPoolExecutor(FIRST_THREADS, thread_name_prefix="rollout-first-look")
        self._arrival = ThreadPoolExecutor(ARRIVAL_THREADS, thread_name_prefix="arrival-look")
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    async def run(self, look: Callable[[], T], *, first: bool) -> T:
        """Run ``look`` in a thread. :param first: whether it reads its stage from the start."""
        pool = self._first if first else self._next
        return await asyncio.get_running_loop().run_in_executor(pool, look)

    async def run_for_data(self, look: Callable[[], T]) -> T:
        """Run a look for new data in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._arrival, look)

    def place(self, mlops_conn_id: str) -> Place:
        """Platform and store of a connection, shared by all that ask within a minute; blocks.

        :raises AirflowNotFoundException: if there is no such connection.
        :raises MlopsError: if its fields are wrong, or the store can't be opened.
        """
        from airflow_mlops.hooks.mlops import MlopsHook

        with self._lock:
            known = self._places.get(mlops_conn_id)
            if known is None or not known.fresh:
                known = self._places[mlops_conn_id] = Place(MlopsHook(mlops_conn_id).get_conn())
            return known


_LOOKOUT: Lookout | None = None
_LOCK = threading.Lock()


def lookout() -> Lookout:
    """That of this process."""
    global _LOOKOUT  # noqa: PLW0603
    with _LOCK:
        if _LOOKOUT is None:
            _LOOKOUT = Lookout()
        return _LOOKOUT


def _forget() -> None:
    """A child process has neither the threads nor the connections of its parent."""
    global _LOOKOUT, _LOCK
    _LOOKOUT, _LOCK = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def pause(interval: float, took: float, faults: int = 0) -> float:
    """Seconds until the next look: the interval, but as long as the last look took, waiting for a thread included.

    So when looks get late there are fewer of them. A little chance keeps those apart that began together.

    :param faults: in a row.
    """
    longest = max(interval * min(1 + faults, _LONGEST), took)
    return longest * random.uniform(0.95, 1.05)  # noqa: S311 - spreads load, guards nothing
