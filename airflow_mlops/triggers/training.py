"""Follow a training job on SageMaker until it has ended."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import TriggerEvent

from airflow_mlops.core.errors import MlopsError
from airflow_mlops.triggers.settling import SettlingTrigger


class TrainingTrigger(SettlingTrigger):
    """Fires once: when the job has ended, when it can't be followed, or when the task's time is over.

    The event is ``{"status": "ended" | "late" | "failed", "job", "heard", "message"}``; whether the job left a model is
    for the task to see. While it waits, it says the job's new states and log lines. When a person marks or clears the
    task, the job is stopped; when the triggerer ends, it goes on.

    :param job: the job's name.
    :param heard: how far it was followed: a :class:`~airflow_mlops.core.training.sagemaker.following.Heard` as plain
        values.
    :param deadline: when the task's time is over, in seconds since 1970.
    """

    purpose = "training"

    def __init__(
        self,
        *,
        mlops_conn_id: str,
        job: str,
        heard: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> None:
        super().__init__(mlops_conn_id=mlops_conn_id)
        self.job = job
        self.heard = heard
        self.deadline = deadline

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.training.TrainingTrigger",
            {
                "mlops_conn_id": self.mlops_conn_id,
                "job": self.job,
                "heard": self.heard,
                "deadline": self.deadline,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, look, wait a little longer."""
        try:
            yield self._event(await self._followed())
        except MlopsError as error:
            yield self._event("failed", message=str(error))

    async def on_kill(self) -> None:
        """Stop the job: a person has marked or cleared the task. Not called when the triggerer itself ends."""
        from airflow_mlops.core.aws.steps import take_async
        from airflow_mlops.core.training.sagemaker.stopping import stop

        aws, _ = await self.reach()
        if await take_async(aws.async_client, stop(self.job)):
            self.log.info("training job %s is asked to stop", self.job)

    async def _followed(self) -> str:
        """How the wait ended."""
        from airflow_mlops.core.aws.steps import take_async
        from airflow_mlops.core.training.sagemaker.following import Heard, look

        aws, _ = await self.reach()

        async def looked() -> str | None:
            found = await take_async(aws.async_client, look(self.job, Heard(**(self.heard or {}))))
            self.heard = found.heard.model_dump()
            for line in found.lines:
                self.log.info("%s", line)
            if found.status.ended:
                return "ended"
            return "late" if self.deadline is not None and time.time() > self.deadline else None

        return await self.settled(f"training job {self.job}", looked)

    def _event(self, status: str, message: str = "") -> TriggerEvent:
        said = {"status": status, "job": self.job, "heard": self.heard, "message": message}
        return TriggerEvent(said)  # type: ignore[no-untyped-call]
