"""Look whether a person has answered while the task that asked was dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.standard.triggers.hitl import HITLTrigger
from airflow.triggers.base import TriggerEvent


class AnswerTrigger(HITLTrigger):
    """Wait for an answer to a question that Airflow has already, without asking anew.

    Asking anew takes away an answer that is there (Airflow 3.3 keeps one per task). Unlike Airflow's own trigger it
    waits before its first look: a task that is resumed within a second of its deferral can be failed by the executor's
    late word about it.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return f"{__name__}.AnswerTrigger", super().serialize()[1]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The answer, or that the time is over."""
        await asyncio.sleep(self.poke_interval)
        async for event in super().run():
            yield event
