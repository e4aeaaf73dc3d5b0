"""Ending whole sessions of processes: a leader, what it started, and what those started in turn.

A process group is not enough: Airflow gives every task a group of its own, so a signal to the scheduler's
group leaves the running tasks behind. All of them stay in the session of the process that we started.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

_POLL = 0.05
# A killed process of a gigabyte takes seconds to go where the machine is busy.
_KILL_WITHIN = 60.0
# create_time() is counted from the boot time, which moves a little whenever the clock is corrected.
_CLOCK_SLACK = 5.0


@dataclass(frozen=True)
class Leader:
    """The first process of a session.

    :param pid: its process id, which is also the id of the session.
    :param started: when, in seconds since the epoch; tells it from a later process with the same id.
    """

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Leader:
        """The leader with this process id, which must exist (or have ended without being waited for)."""
        return cls(pid, psutil.Process(pid).create_time())

    def replaced(self) -> bool:
        """Whether the process id now belongs to another process."""
        try:
            return bool(abs(psutil.Process(self.pid).create_time() - self.started) > _CLOCK_SLACK)
        except psutil.NoSuchProcess:
            return False


def members(leaders: Collection[Leader]) -> set[psutil.Process]:
    """The living processes of these sessions, and their descendants, be they in sessions of their own."""
    ours = {leader.pid for leader in leaders if not leader.replaced()}
    found: set[psutil.Process] = set()
    for process in _in_sessions(ours) if ours else ():
        found.add(process)
        with suppress(psutil.Error):
            found.update(process.children(recursive=True))
    return {process for process in found if _alive(process)}


def end(leaders: Collection[Leader], grace: float) -> set[psutil.Process]:
    """End these sessions: SIGTERM to every member, and SIGKILL to those who are still there after the grace.

    :param leaders: whose sessions.
    :param grace: seconds between the two signals.
    :returns: processes that outlived SIGKILL (stuck in the kernel); normally none.
    """
    seen = members(leaders)
    _signal(seen, kill=False)
    alive = _wait(leaders, seen, grace)
    deadline = time.monotonic() + _KILL_WITHIN
    while alive and time.monotonic() < deadline:
        _signal(alive, kill=True)
        alive = _wait(leaders, seen, _POLL)
    return alive


def _wait(leaders: Collection[Leader], seen: set[psutil.Process], seconds: float) -> set[psutil.Process]:
    deadline = time.monotonic() + seconds
    while True:
        # Someone seen as a descendant earlier stays ours after its parent died.
        seen.update(members(leaders))
        alive = {process for process in seen if _alive(process)}
        if not alive or time.monotonic() >= deadline:
            return alive
        time.sleep(_POLL)


def _in_sessions(ids: set[int]) -> Iterator[psutil.Process]:
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getsid(pid) in ids:
                yield psutil.Process(pid)


def _alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _signal(processes: Collection[psutil.Process], *, kill: bool) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill() if kill else process.terminate()
