"""What Airflow's triggerer does with a watcher, in a few lines: shared streams, events, word that they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from airflow.triggers.base import BaseEventTrigger
from airflow.triggers.shared_stream import SharedStreamManager

from tests.waiting import PATIENCE


class Triggerer:
    """:param stores: whether Airflow's database takes events."""

    def __init__(self, stores: bool = True) -> None:
        self.stores = stores
        self.events: list[dict[str, Any]] = []
        self.manager = SharedStreamManager()
        self._unconfirmed: list[int] = []

    @asynccontextmanager
    async def running(self, *triggers: BaseEventTrigger) -> AsyncIterator[None]:
        """For as long as the block lasts."""
        tasks = [asyncio.ensure_future(self._run(number, one)) for number, one in enumerate(triggers)]
        tasks.append(asyncio.ensure_future(self._confirm()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, condition: Callable[[], object]) -> None:
        """Return when something holds."""

        async def wait() -> None:
            while not condition():
                await asyncio.sleep(0.01)

        await asyncio.wait_for(wait(), PATIENCE)

    async def _run(self, number: int, trigger: BaseEventTrigger) -> None:
        key = trigger.shared_stream_key()
        stream = self.manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                seq = self.manager.bind_pending_event(trigger_id=number, key=key)
                self.events.append(event.payload)
                assert seq is not None
                self._unconfirmed.append(seq)
        finally:
            await self.manager.unsubscribe(number, key)

    async def _confirm(self) -> None:
        while True:
            if self.stores:
                stored, self._unconfirmed = self._unconfirmed, []
                self.manager.confirm_persisted(stored)
            await asyncio.sleep(0.01)
