"""Takes captured lines from the event loop and sees that they reach the store, without ever holding the loop
up.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

from airflow_mlops.core.serving.metrics import Metrics
from airflow_mlops.core.serving.refusal import one_line
from airflow_mlops.core.serving.spool import Spool

#: How long a line waits in memory at most before it is on the disk, in seconds.
_FLUSH = 0.02
#: Most bytes between memory and disk; more are dropped, for instance when the disk hangs.
_IN_MEMORY = 64 << 20

_log = logging.getLogger(__name__)

_Lines = dict[tuple[str, str], list[bytes]]


class Recorder:
    """One thread writes lines to the spool, another one ships the spool's files to the store.

    :param every: seconds between two shipments.
    """

    def __init__(self, spool: Spool, metrics: Metrics, *, every: float) -> None:
        self._spool = spool
        self._metrics = metrics
        self._every = every
        self._lines: _Lines = defaultdict(list)
        # Two counters, each with one writing thread: an update of a shared one could get lost.
        self._bytes_in = 0
        self._bytes_out = 0
        self._queue: SimpleQueue[_Lines | None] = SimpleQueue()
        self._failing = False
        self._stop = Event()
        self._writer = Thread(target=self._write, name="capture-writer", daemon=True)
        self._shipper = Thread(target=self._ship, name="capture-shipper", daemon=True)

    def start(self) -> None:
        """Start both threads; what dead servers left is shipped first."""
        self._writer.start()
        self._shipper.start()

    def put(self, model: str, variant: str, line: bytes) -> None:
        """Keep a line. Called on the event loop; returns at once."""
        if self._bytes_in - self._bytes_out > _IN_MEMORY:
            self._metrics.captures_dropped(model, 1)
            return
        if not self._lines:
            asyncio.get_running_loop().call_later(_FLUSH, self.flush)
        self._bytes_in += len(line)
        self._lines[model, variant].append(line)

    def flush(self) -> None:
        """Hand the lines in memory to the writer."""
        if self._lines:
            lines, self._lines = self._lines, defaultdict(list)
            self._queue.put(lines)

    def stop(self, timeout: float = 30.0) -> None:
        """Write and ship everything. What can't be shipped stays on the disk for the next server."""
        self.flush()
        self._queue.put(None)
        self._writer.join(timeout)
        self._stop.set()
        self._shipper.join(timeout)
        try:
            self._spool.close()
        except Exception as error:
            _log.warning("captures stay in the spool for the next server: %s", one_line(error))

    def _write(self) -> None:
        while (lines := self._queue.get()) is not None:
            for (model, variant), some in lines.items():
                data = b"".join(some)
                kept = self._spool.append(model, variant, data)
                self._bytes_out += len(data)
                count = self._metrics.captures_written if kept else self._metrics.captures_dropped
                count(model, len(some))

    def _ship(self) -> None:
        left_by_others = True
        while True:
            if left_by_others:
                left_by_others = not self._try(self._adopt)
            self._try(self._spool.ship)
            self._metrics.spooled(self._spool.waiting)
            if self._stop.wait(self._every):
                return

    def _adopt(self) -> None:
        count = self._spool.adopt()
        if count:
            _log.info("shipped %d capture files that an earlier server left", count)

    def _try(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # whatever the store raises: the files stay and are tried again
            self._metrics.ship_failed()
            if not self._failing:
                _log.warning("captures wait on the disk, the store does not take them: %s", one_line(error))
            self._failing = True
            return False
        if self._failing:
            _log.info("the store takes captures again")
        self._failing = False
        return True
