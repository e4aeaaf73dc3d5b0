"""The simulator's clock: real time plus what tests have let go by."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone


class Clock:
    """Tells the time, and does what is due.

    What is scheduled runs in the clock's thread or in the caller of :meth:`advance`, in the order of time, each at its
    own moment: while it runs, :meth:`now` is the time that it was scheduled for.

    :param lock: held while something that is due runs.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._ahead = timedelta(0)
        self._moment: datetime | None = None
        self._due: list[tuple[datetime, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._changed = threading.Condition(lock)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        #: What :meth:`advance` does at its end, without the lock.
        self.after_advance: list[Callable[[], None]] = []

    def start(self) -> None:
        """Let what is due happen by itself from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing happens any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5)

    def now(self) -> datetime:
        """The simulated time, aware, in UTC."""
        return self._moment or datetime.fromtimestamp(time.time(), timezone.utc) + self._ahead

    def schedule(self, delay: timedelta, action: Callable[[], None]) -> None:
        """Do something after so much time."""
        with self._changed:
            heapq.heappush(self._due, (self.now() + delay, next(self._count), action))
            self._changed.notify_all()

    def advance(self, by: timedelta) -> None:
        """Let so much time go by at once; what is due in it happens in its order."""
        with self._changed:
            until = self.now() + by
            self._work_off(until)
            self._ahead += by
            self._changed.notify_all()
        for action in self.after_advance:
            action()

    def _work_off(self, until: datetime) -> None:
        while self._due and self._due[0][0] <= until:
            at, _, action = heapq.heappop(self._due)
            self._moment = at
            try:
                action()
            finally:
                self._moment = None

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                self._work_off(self.now())
                wait = (self._due[0][0] - self.now()).total_seconds() if self._due else 60.0
                self._changed.wait(max(0.001, min(wait, 60.0)))
