"""Look at a rollout every few seconds until the judge has decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_mlops.core.errors import EndpointError, MlopsError, StoreError
from airflow_mlops.triggers.looking import lookout, pause

if TYPE_CHECKING:
    from airflow_mlops.core.rollout.conduct import Conductor
    from airflow_mlops.core.rollout.verdict import Stage, Verdict

#: So many looks in a row may fail on a passing fault before the trigger gives up.
PATIENCE = 30


class RolloutTrigger(BaseTrigger):
    """Fires once: with the verdict when the judge says anything but CONTINUE, or with the fault that prevents it.

    The event is ``{"status": "decided", "verdict"}`` or ``{"status": "failed", "message", "passing"}``, where
    ``passing`` says that another try may succeed.

    :param spec: the model's spec as plain values.
    :param run: key of the Airflow run that holds the challenger's place.
    :param poll_interval: seconds between two looks; more where the process can't keep up, and after a fault.
    """

    def __init__(
        self,
        *,
        spec: dict[str, Any],
        mlops_conn_id: str,
        run: str,
        stage: Stage,
        version: int,
        poll_interval: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.spec = spec
        self.mlops_conn_id = mlops_conn_id
        self.run_key = run
        self.stage = stage
        self.version = version
        self.poll_interval = poll_interval
        self._conductor: Conductor | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments as plain values."""
        return (
            "airflow_mlops.triggers.rollout.RolloutTrigger",
            {
                "spec": self.spec,
                "mlops_conn_id": self.mlops_conn_id,
                "run": self.run_key,
                "stage": self.stage,
                "version": self.version,
                "poll_interval": self.poll_interval,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait, look again. A passing fault of the store or the endpoint is waited out; it never promotes."""
        clock = asyncio.get_running_loop().time
        faults = 0
        said = ""
        while True:
            asked = clock()
            try:
                verdict = await lookout().run(self._look, first=self._conductor is None)
                faults = 0
            except (EndpointError, StoreError) as error:
                faults += 1
                self.log.warning("look %d of %d failed: %s", faults, PATIENCE, error)
                if faults >= PATIENCE:
                    yield _event(status="failed", message=str(error), passing=True)
                    return
            except MlopsError as error:
                yield _event(status="failed", message=str(error), passing=False)
                return
            else:
                if verdict.decision != "CONTINUE":
                    yield _event(status="decided", verdict=verdict.model_dump(mode="json"))
                    return
                if verdict.reason != said:
                    said = verdict.reason
                    self.log.info("%s", said)
            await asyncio.sleep(pause(self.poll_interval, clock() - asked, faults))

    def _look(self) -> Verdict:
        """The judge's word; a conductor that goes from look to look reads only what is new."""
        conductor, self._conductor = self._conductor or self._conduct(), None
        verdict = conductor.assess(self.stage, self.version)
        self._conductor = conductor
        return verdict

    def _conduct(self) -> Conductor:
        from airflow_mlops.core.rollout.conduct import Conductor
        from airflow_mlops.spec import ModelSpec

        place = lookout().place(self.mlops_conn_id)
        spec = ModelSpec.from_mapping(self.spec)
        return Conductor(
            store=place.store,
            endpoint=place.platform.endpoint(spec.name, place.store),
            spec=spec,
            run=self.run_key,
            who="rollout trigger",
        )


def _event(**payload: Any) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
