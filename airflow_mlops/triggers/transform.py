"""Ask for a batch transform job on SageMaker every few seconds until it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.triggers.settling import SettlingTrigger


class TransformTrigger(SettlingTrigger):
    """Fires once: when the job has ended, or when it can't be asked for.

    The event is ``{"status": "ended" | "failed", "job", "message"}``; what the job left is for the task to see. When a
    person marks or clears the task, the job is stopped; when the triggerer ends, it goes on.

    :param job: the job's name.
    """

    def __init__(self, *, mlops_conn_id: str, job: str) -> None:
        super().__init__(mlops_conn_id=mlops_conn_id)
        self.job = job

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.transform.TransformTrigger",
            {"mlops_conn_id": self.mlops_conn_id, "job": self.job},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait a little longer each time, look again."""
        from airflow_mlops.core.aws.steps import take_async
        from airflow_mlops.core.serving.sagemaker_transform import describe

        async def looked() -> str | None:
            state = await take_async(aws.async_client, describe(self.job))
            return None if state.changing else "ended"

        try:
            aws, _ = await self.reach()
            yield self._event(await self.settled(f"transform job {self.job}", looked))
        except MlopsError as error:
            yield self._event("failed", str(error))

    async def on_kill(self) -> None:
        """Stop the job: a person has marked or cleared the task. Not called when the triggerer itself ends."""
        from airflow_mlops.core.aws.steps import take_async
        from airflow_mlops.core.serving.sagemaker_transform import stop

        aws, _ = await self.reach()
        if await take_async(aws.async_client, stop(self.job)):
            self.log.info("transform job %s is asked to stop", self.job)

    def _event(self, status: str, message: str = "") -> TriggerEvent:
        return TriggerEvent({"status": status, "job": self.job, "message": message})  # type: ignore[no-untyped-call]
