"""Natural micro-batching: one call of a model takes the requests that wait, and never waits for more."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from airflow_mlops.core.serving.loading import Answering, LoadedVersion, Rows

#: Most rows of one call, unless a single request has more.
MAX_ROWS = 64
#: So many requests whose common call failed are asked one by one, more in halves.
_FEW = 8
#: How long a call in a thread may take, in seconds, before its requests have failed.
CALL_TIMEOUT = 20.0

Outcome = list[float] | Exception


class ModelError(Exception):
    """A model could not answer a request that it should have answered."""

    def __init__(self, problem: str, seconds: float = 0.0) -> None:
        super().__init__(problem)
        self.seconds = seconds


class _Waiting:
    __slots__ = ("future", "rows", "since")

    def __init__(self, rows: Rows, future: asyncio.Future[tuple[list[float], float]], since: float) -> None:
        self.rows = rows
        self.future = future
        self.since = since


class Batcher:
    """Calls one loaded version for many requests. Belongs to the event loop that it is used on.

    Calls that would hold up the event loop go to a thread of its own, so a model that hangs holds up no other.
    """

    def __init__(self, version: LoadedVersion) -> None:
        self._version = version
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"predict-{version.variant}")
        self._waiting: deque[_Waiting] = deque()
        self._running = False
        self._overdue = False

    def submit(self, rows: Rows) -> asyncio.Future[tuple[list[float], float]]:
        """The predictions for checked rows, and the seconds from now until they were there.

        The future raises :class:`ModelError` when the model fails on these rows, breaks its word on how many
        numbers it returns, or returns one that is not finite, or hangs.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[list[float], float]] = loop.create_future()
        if self._overdue:
            future.set_exception(_overdue())
            return future
        self._waiting.append(_Waiting(rows, future, time.perf_counter()))
        if not self._running:
            self._running = True
            loop.call_soon(self._step)
        return future

    def _step(self) -> None:
        batch = self._take()
        if not batch:
            self._running = False
            return
        loop = asyncio.get_running_loop()
        if self._version.inline and sum(len(one.rows) for one in batch) <= MAX_ROWS:
            _settle(batch, self._call(batch))
            loop.call_soon(self._step)
            return
        call = loop.run_in_executor(self._thread, self._call, batch)
        timer = loop.call_later(CALL_TIMEOUT, self._give_up, batch)
        call.add_done_callback(lambda done: self._finish(batch, done, timer))

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        rows = 0
        while self._waiting and (not batch or rows + len(self._waiting[0].rows) <= MAX_ROWS):
            one = self._waiting.popleft()
            batch.append(one)
            rows += len(one.rows)
        return batch

    def _give_up(self, batch: list[_Waiting]) -> None:
        """The call hangs: whoever waits, and whoever comes before it ends, is told so and need not wait."""
        self._overdue = True
        waiting = [*batch, *self._waiting]
        self._waiting.clear()
        _settle(waiting, [_overdue()] * len(waiting))

    def _finish(
        self, batch: list[_Waiting], done: asyncio.Future[list[Outcome]], timer: asyncio.TimerHandle
    ) -> None:
        timer.cancel()
        self._overdue = False
        error = done.exception()
        if error is not None:
            _settle(batch, [ModelError(f"{type(error).__name__}: {error}")] * len(batch))
        else:
            _settle(batch, done.result())
        self._step()

    def _call(self, batch: list[_Waiting]) -> list[Outcome]:
        return answer_each(self._version.model, [one.rows for one in batch])


def answer_each(model: Answering, requests: Sequence[Rows]) -> list[Outcome]:
    """The outcome for each request of checked rows, from one call of the model.

    If the whole call fails, its halves are asked, and at last each alone: one does not fail another.
    """
    whole = _predict(model, _joined(requests))
    if isinstance(whole, Exception):
        if len(requests) > _FEW:
            half = len(requests) // 2
            return [*answer_each(model, requests[:half]), *answer_each(model, requests[half:])]
        return [_predict(model, rows) for rows in requests] if len(requests) > 1 else [whole]
    outcomes: list[Outcome] = []
    start = 0
    for rows in requests:
        outcomes.append(whole[start : start + len(rows)])
        start += len(rows)
    return outcomes


def _predict(model: Answering, rows: Rows) -> Outcome:
    try:
        values = [float(value) for value in model.predict(rows)]
    except Exception as error:  # whatever a model raises is its failure, and its alone
        return ModelError(f"{type(error).__name__}: {error}")
    if len(values) != len(rows):
        return ModelError(f"returned {len(values)} numbers for {len(rows)} rows")
    if not all(map(math.isfinite, values)):
        return ModelError("returned a number that is not finite")
    return values


def _overdue() -> ModelError:
    return ModelError(f"has not answered for {CALL_TIMEOUT:g} s", CALL_TIMEOUT)


def _joined(requests: Sequence[Rows]) -> Rows:
    return requests[0] if len(requests) == 1 else [row for rows in requests for row in rows]


def _settle(batch: Sequence[_Waiting], outcomes: Sequence[Outcome]) -> None:
    now = time.perf_counter()
    for one, outcome in zip(batch, outcomes, strict=True):
        if one.future.done():  # the caller went away
            continue
        if isinstance(outcome, Exception):
            one.future.set_exception(ModelError(str(outcome), now - one.since))
        else:
            one.future.set_result((outcome, now - one.since))
