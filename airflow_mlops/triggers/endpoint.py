"""Ask an endpoint on SageMaker every few seconds until it has stopped changing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.core.errors import EndpointError, MlopsError

#: States of an endpoint in which it changes; in every other one it stays until somebody changes it.
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
#: So many passing faults in a row are waited out.
PATIENCE = 20
_FIRST, _LONGEST, _GROWTH = 10.0, 30.0, 1.3


class EndpointTrigger(BaseTrigger):
    """Fires once: when the endpoint has settled, or when it can't be asked.

    The event is ``{"status": "settled", "state"}`` or ``{"status": "failed", "message"}``. What an endpoint serves
    once it has settled is for the task to prove.

    :param model: whose endpoint it is.
    """

    def __init__(self, *, mlops_conn_id: str, model: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.mlops_conn_id = mlops_conn_id
        self.model = model

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.endpoint.EndpointTrigger",
            {"mlops_conn_id": self.mlops_conn_id, "model": self.model},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask, wait a little longer each time, ask again."""
        pause, faults, said = _FIRST, 0, ""
        aws, name = await asyncio.to_thread(self._reach)
        while True:
            # A change that was just asked for may not show yet.
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * _GROWTH, _LONGEST)
            try:
                state = await self._state(aws, name)
                faults = 0
            except EndpointError as error:
                faults += 1
                self.log.warning("look %d of %d failed: %s", faults, PATIENCE, error)
                if faults < PATIENCE:
                    continue
                yield _event(status="failed", message=str(error))
                return
            except MlopsError as error:
                yield _event(status="failed", message=str(error))
                return
            if state not in CHANGING:
                yield _event(status="settled", state=state)
                return
            if state != said:
                said = state
                self.log.info("endpoint %s: %s", name, state)

    def _reach(self) -> tuple[Any, str]:
        """The clients and the endpoint's name; blocks."""
        from airflow_mlops.core.aws.names import endpoint_name
        from airflow_mlops.hooks.mlops import MlopsHook

        aws, settings = MlopsHook(self.mlops_conn_id).get_conn().require_aws()
        return aws, endpoint_name(settings.prefix, self.model)

    @staticmethod
    async def _state(aws: Any, name: str) -> str:
        """The endpoint's state; ``Missing`` when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.aws.errors import explain, is_missing

        try:
            async with aws.async_client("sagemaker") as client:
                answer = await client.describe_endpoint(EndpointName=name)
        except (BotoCoreError, ClientError) as error:
            if is_missing(error):
                return "Missing"
            raise explain(error, f"describe endpoint {name}") from None
        return str(answer["EndpointStatus"])


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
