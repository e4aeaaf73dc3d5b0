"""Ask for a batch transform job on SageMaker every few seconds until it has ended."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import AsyncAws

#: Seconds between two looks: at first, at most, and by how much they grow.
_FIRST, _LONGEST, _GROWTH = 10.0, 60.0, 1.3
#: So many looks in a row may fail.
PATIENCE = 20


class TransformTrigger(BaseTrigger):
    """Fires once: when the job has ended, or when it can't be asked for.

    The event is ``{"status": "ended" | "failed", "job", "message"}``; what the job left is for the task to see. When a
    person marks or clears the task, the job is stopped; when the triggerer ends, it goes on.

    :param job: the job's name.
    """

    def __init__(self, *, mlops_conn_id: str, job: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mlops_conn_id = mlops_conn_id
        self.job = job

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.transform.TransformTrigger",
            {"mlops_conn_id": self.mlops_conn_id, "job": self.job},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait a little longer each time, look again."""
        from airflow_mlops.core.serving.sagemaker_transform import describe
        from airflow_mlops.core.training.sagemaker.calls import take_async

        pause, faults = _FIRST, 0
        while True:
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * _GROWTH, _LONGEST)
            try:
                aws = await asyncio.to_thread(self._reach)
                state = await take_async(aws.async_client, describe(self.job))
                faults = 0
            except MlopsError as error:
                faults += 1
                self.log.warning("look %d of %d failed: %s", faults, PATIENCE, error)
                if faults >= PATIENCE:
                    yield self._event("failed", str(error))
                    return
                continue
            if not state.changing:
                yield self._event("ended")
                return

    async def on_kill(self) -> None:
        """Stop the job: a person has marked or cleared the task. Not called when the triggerer itself ends."""
        from airflow_mlops.core.serving.sagemaker_transform import stop
        from airflow_mlops.core.training.sagemaker.calls import take_async

        aws = await asyncio.to_thread(self._reach)
        if await take_async(aws.async_client, stop(self.job)):
            self.log.info("transform job %s is asked to stop", self.job)

    def _event(self, status: str, message: str = "") -> TriggerEvent:
        return TriggerEvent({"status": status, "job": self.job, "message": message})  # type: ignore[no-untyped-call]

    def _reach(self) -> AsyncAws:
        """The clients; blocks."""
        from airflow_mlops.hooks.mlops import MlopsHook

        aws, _ = MlopsHook(self.mlops_conn_id).get_conn().require_aws()
        return aws  # type: ignore[return-value]
