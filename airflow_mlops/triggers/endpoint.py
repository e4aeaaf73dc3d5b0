"""Ask an endpoint on SageMaker every few seconds until it has stopped changing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import TriggerEvent

from airflow_mlops.core.aws.names import endpoint_name
from airflow_mlops.core.errors import MlopsError
from airflow_mlops.triggers.settling import SettlingTrigger

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import AsyncAws

#: States of an endpoint in which it changes; in every other one it stays until somebody changes it.
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})


class EndpointTrigger(SettlingTrigger):
    """Fires once: when the endpoint has settled, or when it can't be asked.

    The event is ``{"status": "settled", "state"}`` or ``{"status": "failed", "message"}``. What an endpoint serves
    once it has settled is for the task to prove.

    :param model: whose endpoint it is.
    """

    def __init__(self, *, mlops_conn_id: str, model: str) -> None:
        super().__init__(mlops_conn_id=mlops_conn_id)
        self.model = model
        self._said = ""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.endpoint.EndpointTrigger",
            {"mlops_conn_id": self.mlops_conn_id, "model": self.model},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Ask, wait a little longer each time, ask again."""
        try:
            aws, settings = await self.reach()
            name = endpoint_name(settings.of_model(self.model).prefix, self.model)
            yield _event(
                status="settled", state=await self.settled(f"endpoint {name}", lambda: self._look(aws, name))
            )
        except MlopsError as error:
            yield _event(status="failed", message=str(error))

    async def _look(self, aws: AsyncAws, name: str) -> str | None:
        """The endpoint's state once it has settled; ``Missing`` when there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        from airflow_mlops.core.aws.errors import explain, is_missing

        try:
            async with aws.async_client("sagemaker") as client:
                state = str((await client.describe_endpoint(EndpointName=name))["EndpointStatus"])
        except (BotoCoreError, ClientError) as error:
            if is_missing(error):
                return "Missing"
            raise explain(error, f"describe endpoint {name}") from None
        if state not in CHANGING:
            return state
        if state != self._said:
            self._said = state
            self.log.info("endpoint %s: %s", name, state)
        return None


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
