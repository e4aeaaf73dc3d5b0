"""Follow a training job on SageMaker until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import AsyncAws


class TrainingTrigger(BaseTrigger):
    """Fires once: when the job has ended, when it can't be followed, or when the task's time is over.

    The event is ``{"status": "ended" | "late" | "failed", "job", "heard", "message"}``; whether the job left a model is
    for the task to see. While it waits, it says the job's new states and log lines. When a person marks or clears the
    task, the job is stopped; when the triggerer ends, it goes on.

    :param job: the job's name.
    :param heard: how far it was followed: a :class:`~airflow_mlops.core.training.sagemaker.following.Heard` as plain
        values.
    :param deadline: when the task's time is over, in seconds since 1970.
    """

    def __init__(
        self,
        *,
        mlops_conn_id: str,
        job: str,
        heard: dict[str, Any] | None = None,
        deadline: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mlops_conn_id = mlops_conn_id
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
            yield await self._followed()
        except MlopsError as error:
            yield self._event("failed", message=str(error))

    async def on_kill(self) -> None:
        """Stop the job: a person has marked or cleared the task. Not called when the triggerer itself ends."""
        from airflow_mlops.core.training.sagemaker.calls import take_async
        from airflow_mlops.core.training.sagemaker.stopping import stop

        aws = await asyncio.to_thread(self._reach)
        if await take_async(aws.async_client, stop(self.job)):
            self.log.info("training job %s is asked to stop", self.job)

    async def _followed(self) -> TriggerEvent:
        from airflow_mlops.core.training.sagemaker.calls import take_async
        from airflow_mlops.core.training.sagemaker.following import Heard, look
        from airflow_mlops.core.training.sagemaker.patience import Patience

        patience = Patience(lambda line: self.log.warning("%s", line))
        aws = await asyncio.to_thread(self._reach)
        while True:
            await asyncio.sleep(patience.pause())
            try:
                found = await take_async(aws.async_client, look(self.job, Heard(**(self.heard or {}))))
            except MlopsError as error:
                patience.failed(error)
                continue
            patience.succeeded()
            self.heard = found.heard.model_dump()
            for line in found.lines:
                self.log.info("%s", line)
            if found.status.ended:
                return self._event("ended")
            if self.deadline is not None and time.time() > self.deadline:
                return self._event("late")

    def _event(self, status: str, message: str = "") -> TriggerEvent:
        said = {"status": status, "job": self.job, "heard": self.heard, "message": message}
        return TriggerEvent(said)  # type: ignore[no-untyped-call]

    def _reach(self) -> AsyncAws:
        """The clients; blocks."""
        from airflow_mlops.hooks.mlops import MlopsHook

        aws, _ = MlopsHook(self.mlops_conn_id).get_conn().require_aws()
        return aws  # type: ignore[return-value]
