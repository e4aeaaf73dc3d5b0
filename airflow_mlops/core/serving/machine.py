"""What the server's own process takes of its machine: one value a minute, for a day."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

_KEPT = 24 * 60


class Usage(NamedTuple):
    """Per cent of the machine. :param at: seconds since the epoch."""

    at: float
    memory: float
    cpu: float


class MachineLog:
    """Measures this process every minute. All variants of the server share it, so the values are those of each.

    :param every: seconds between two measurements.
    """

    def __init__(self, every: float = 60.0) -> None:
        self._every = every
        self._kept: deque[Usage] = deque(maxlen=_KEPT)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Measure from now on, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._measure())

    def stop(self) -> None:
        """Measure no more; what was measured stays."""
        if self._task is not None:
            self._task.cancel()

    def kept(self) -> list[Usage]:
        """What was measured in the last day, oldest first."""
        return list(self._kept)

    async def _measure(self) -> None:
        meter = Meter()
        while True:
            await asyncio.sleep(self._every)
            self._kept.append(meter.read())


class Meter:
    """Reads what this process takes; CPU is that since the last reading, of all cores."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        import psutil

        self._psutil: Any = psutil
        self._process = psutil.Process()
        self._clock = clock
        self._last = clock(), self._busy()

    def read(self) -> Usage:
        """The usage now."""
        before, now = self._last, (self._clock(), self._busy())
        self._last = now
        cores = self._psutil.cpu_count() or 1
        cpu = (now[1] - before[1]) / max(now[0] - before[0], 1e-9) / cores
        memory = self._process.memory_info().rss / self._psutil.virtual_memory().total
        return Usage(time.time(), round(100.0 * memory, 3), round(min(100.0 * cpu, 100.0), 3))

    def _busy(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)
