"""The calls that change an endpoint. Each may be repeated; a refusal because something is under way is no error."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import exists_already, is_missing, message
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import DeploymentFailed
from airflow_mlops.core.serving.sagemaker.alarms import Alarms, deployment_config
from airflow_mlops.core.serving.sagemaker.live import Live
from airflow_mlops.core.serving.sagemaker.plan import Step
from airflow_mlops.core.serving.sagemaker.resources import Resources
from airflow_mlops.core.serving.sagemaker.scaling import Autoscaling


class Calls:
    """Changes one endpoint. :param name: of the endpoint."""

    def __init__(self, aws: Aws, settings: SageMaker, name: str, resources: Resources) -> None:
        self._aws = aws
        self._settings = settings
        self._name = name
        self._resources = resources
        self.scaling = Autoscaling(aws, name, settings.hosting.scaling)
        self._alarms = Alarms(aws, name, settings.hosting.guardrail, resources.tags())

    @property
    def scales(self) -> bool:
        """Whether the settings let the endpoint scale."""
        return self._settings.hosting.scaling is not None

    def ringing(self) -> str:
        """Which alarms of ours ring, and why."""
        return self._alarms.ringing() if self._settings.hosting.strategy == "guardrail" else ""

    def make(self, step: Step, live: Live | None) -> str | None:
        """Ask for a step; return what was asked for, None if it can't be asked for at this moment.

        :raises DeploymentFailed: if SageMaker refuses it for good.
        """
        if step.kind == "weights":
            return self._weights(step)
        config = self._resources.configuration(step.slots)
        if step.kind == "create":
            tags = self._resources.tags()
            accepted = self._call("create_endpoint", EndpointConfigName=config, Tags=tags)
        else:
            self._free(step, live)
            more = self._guard(config) if step.guarded else {}
            accepted = self._call("update_endpoint", EndpointConfigName=config, **more)
        return config if accepted else None

    def delete(self) -> None:
        """Delete the endpoint; one that is not there, or is going, is fine."""
        self._call("delete_endpoint")

    def _weights(self, step: Step) -> str | None:
        weights = [
            {"VariantName": slot.name, "DesiredWeight": slot.weight} for slot in step.slots if not slot.shadow
        ]
        accepted = self._call("update_endpoint_weights_and_capacities", DesiredWeightsAndCapacities=weights)
        return ", ".join(f"{slot.name} {slot.weight:g}" for slot in step.slots) if accepted else None

    def _free(self, step: Step, live: Live | None) -> None:
        """Deregister from autoscaling what goes or gets other machines: SageMaker refuses the update otherwise."""
        stay = {slot.name for slot in step.slots}
        machine = self._settings.hosting.instance_type
        slots = live.slots if live is not None else ()
        self.scaling.remove(
            slot.name for slot in slots if slot.name not in stay or slot.machine not in ("", machine)
        )

    def _guard(self, config: str) -> dict[str, Any]:
        return {"DeploymentConfig": deployment_config(self._settings.hosting, self._alarms.put(config))}

    def _call(self, name: str, **params: Any) -> bool:
        """Whether it was accepted; not, if it is being changed, is there already, or is not there (yet)."""
        method = getattr(self._aws.client("sagemaker"), name)
        request = {"EndpointName": self._name, **params}
        action = f"{name.replace('_', ' ')} {self._name}"
        return call(method, request, action, kind=DeploymentFailed, unless=is_not_the_time) is not None


def is_not_the_time(error: Exception) -> bool:
    """Whether the endpoint is changing, is there already, or is not to be seen yet: look again.

    A configuration that is gone is not waited for: without the one that serves, SageMaker takes no other one either
    (https://github.com/hashicorp/terraform-provider-aws/issues/40048).
    """
    said = message(error).lower()
    unseen = is_missing(error) and "configuration" not in said
    return unseen or exists_already(error) or "in-progress" in said
