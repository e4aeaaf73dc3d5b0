"""The challenger in shadow: it answers copies of live requests in idle moments, and nobody sees its answers.

Copies are collected for a moment and answered together: one call for many costs little more than one for each, and the
less time the shadow takes, the fewer live requests arrive while it works.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Most copies that wait, and most rows in them; what comes beyond is dropped and counted.
MAX_COPIES = 2000
MAX_WAITING_ROWS = 20_000
#: Copies answered together, and how long the first of them waits for others, in seconds. More at once take less time
#: in all, but a request that arrives meanwhile waits for longer: 16 added more to the p99 of live answers than 8.
_TOGETHER = 8
_LINGER = 0.1


class ShadowQueue(Generic[T]):
    """A bounded queue of copies that is worked off while no live request is on its way.

    :param answer: answers some copies; awaits :meth:`pause` between short pieces of its work.
    :param idle: whether no live request is on its way.
    :param dropped: called with a number of dropped copies.
    """

    def __init__(
        self,
        answer: Callable[[list[T]], Coroutine[Any, Any, None]],
        idle: Callable[[], bool],
        dropped: Callable[[int], None],
    ) -> None:
        self._answer = answer
        self._idle = idle
        self._dropped = dropped
        self._copies: deque[tuple[T, int]] = deque()
        self._rows = 0
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ripe = False
        self._gap: asyncio.Future[None] | None = None

    def offer(self, copy: T, rows: int) -> None:
        """Queue a copy of a request of so many rows, or drop it when the queue is full."""
        if len(self._copies) >= MAX_COPIES or self._rows + rows > MAX_WAITING_ROWS:
            self._dropped(1)
            return
        self._copies.append((copy, rows))
        self._rows += rows
        if self._timer is None and not self._ripe:
            self._timer = asyncio.get_running_loop().call_later(_LINGER, self._ripen)

    def _ripen(self) -> None:
        self._timer, self._ripe = None, True
        self.wake()

    def waits(self) -> bool:
        """Whether there is something to do in an idle moment."""
        return bool(self._copies) or self._gap is not None

    async def pause(self) -> None:
        """Let requests through that have arrived, and wait until they have left."""
        await asyncio.sleep(0)
        while not self._idle():
            self._gap = asyncio.get_running_loop().create_future()
            try:
                await self._gap
            finally:
                self._gap = None

    def wake(self) -> None:
        """A live request has left: go on if there is enough to do and no other one is on its way."""
        if self._gap is not None and not self._gap.done() and self._idle():
            self._gap.set_result(None)
        enough = self._ripe or len(self._copies) >= _TOGETHER
        if enough and self._copies and self._task is None and self._idle():
            self._task = asyncio.get_running_loop().create_task(self._work())

    def clear(self) -> None:
        """Drop all copies: the challenger was taken out."""
        if self._copies:
            self._dropped(len(self._copies))
            self._copies.clear()
            self._rows = 0

    async def drain(self, timeout: float) -> None:
        """Work everything off, at the end of a server; what is not done in ``timeout`` seconds is dropped."""
        try:
            await asyncio.wait_for(self._drain(), timeout)
        except asyncio.TimeoutError:
            self.clear()

    async def _drain(self) -> None:
        while self._copies or self._task is not None:
            if self._task is None:
                await self._answer(self._take())
            await asyncio.sleep(0)

    async def _work(self) -> None:
        try:
            while self._copies and self._idle():
                await self._answer(self._take())
                await asyncio.sleep(0)  # let arrived requests through
            self._ripe = bool(self._copies)
        finally:
            self._task = None

    def _take(self) -> list[T]:
        taken: list[T] = []
        while self._copies and len(taken) < _TOGETHER:
            copy, rows = self._copies.popleft()
            self._rows -= rows
            taken.append(copy)
        return taken
