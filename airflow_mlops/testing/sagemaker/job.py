"""What training and transform jobs have in common: waits on the simulated clock, and work in threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

from airflow_mlops.testing.sagemaker.objects import DataError
from airflow_mlops.testing.sagemaker.simulator import Simulator


class Job:
    """A job from its creation to its end. What its methods start is called with the simulator's lock held."""

    def __init__(self, simulator: Simulator, name: str) -> None:
        self._simulator, self._name = simulator, name
        self._busy = self._closed = False
        #: Raised whenever the job goes another way, so that what was scheduled before does not happen.
        self._turn = 0

    def _later(self, delay: timedelta, action: Callable[[], None]) -> None:
        """Do it after so much time, unless the job takes another turn meanwhile."""
        turn = self._turn

        def due() -> None:
            if turn == self._turn and not self._closed:
                action()

        self._simulator.clock.schedule(delay, due)

    def _work(self, do: Callable[[], None], then: Callable[[str | None], None]) -> None:
        """Do it in a thread without the lock, then go on with what went wrong, or None."""
        self._busy = True

        def work() -> None:
            error = None
            try:
                do()
            except DataError as failure:
                error = f"ClientError: {failure}"
            except Exception as failure:
                error = f"InternalServerError: defect of the simulator: {failure!r}"
            with self._simulator.lock:
                self._busy = False
                if not self._closed:
                    then(error)

        threading.Thread(target=work, name=f"job {self._name}", daemon=True).start()
