"""Removing an endpoint with all that was made for it, and what no version needs any more.

Every call may be repeated: what is gone already is fine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from airflow_mlops.core.aws import names
from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import is_missing
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import DeploymentPending
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.serving.sagemaker.alarms import alarm_names
from airflow_mlops.core.serving.sagemaker.calls import is_not_the_time
from airflow_mlops.core.serving.sagemaker.layout import version_of
from airflow_mlops.core.serving.sagemaker.live import MODEL_VARIABLE, VARIANT_VARIABLE
from airflow_mlops.core.serving.sagemaker.scaling import Autoscaling

#: Younger ones may be about to be used by a change that has just begun.
GRACE = timedelta(hours=1)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


@dataclass(frozen=True)
class Unused:
    """Names of SageMaker configurations and models that can go."""

    configurations: tuple[str, ...]
    models: tuple[str, ...]


class Cleaner:
    """Looks after what was made on SageMaker for one model.

    :param settings: of this model.
    """

    def __init__(
        self, aws: Aws, settings: SageMaker, model: str, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._aws = aws
        self._settings = settings
        self._model = model
        self._now = now
        self._name = names.endpoint_name(settings.prefix, model)

    def teardown(self, timeout: timedelta | None = None) -> Unused:
        """Delete the endpoint, its autoscaling and alarms, and all its configurations and models.

        The store keeps everything: versions, captures, logs. The next reconcile makes the endpoint anew.

        :param timeout: how long to wait for a change in progress, which SageMaker wants to end first; without one, as
            long as a change may take.
        :returns: what was deleted beside the endpoint.
        :raises DeploymentPending: if it is still changing at the timeout; nothing but autoscaling is gone then.
        :raises PlatformError: if AWS refuses.
        """
        self._forget_scaling()
        self._delete(self._settings.hosting.slowest_change if timeout is None else timeout)
        self._call("cloudwatch", "delete_alarms", AlarmNames=list(alarm_names(self._name)))
        all_of_it = Unused(tuple(self._configurations()), tuple(self._models(frozenset(), timedelta(0))))
        self.remove(all_of_it)
        return all_of_it

    def unused(self, kept: Collection[int], *, grace: timedelta = GRACE) -> Unused:
        """Configurations and models that neither the endpoint nor a kept version needs.

        :param kept: model versions whose SageMaker models stay, for a fast way back.
        :param grace: younger ones stay, too.
        """
        live = self._live()
        configurations = tuple(name for name in self._configurations(grace) if name not in live)
        needed = {model for name in live for model in self._models_of(name)}
        models = tuple(name for name in self._models(kept, grace) if name not in needed)
        return Unused(configurations, models)

    def remove(self, unused: Unused) -> None:
        """Delete what :meth:`unused` has found, configurations first."""
        for name in unused.configurations:
            self._call("sagemaker", "delete_endpoint_config", EndpointConfigName=name)
        for name in unused.models:
            self._call("sagemaker", "delete_model", ModelName=name)

    def _delete(self, timeout: timedelta) -> None:
        """Delete the endpoint as soon as SageMaker lets it go."""
        deadline = time.monotonic() + timeout.total_seconds()
        method = self._aws.client("sagemaker").delete_endpoint
        request, action = {"EndpointName": self._name}, f"delete endpoint {self._name}"
        pause = _FIRST_PAUSE
        while call(method, request, action, unless=is_not_the_time) is None:
            status = self._call("sagemaker", "describe_endpoint", EndpointName=self._name).get(
                "EndpointStatus"
            )
            if status in (None, "Deleting"):
                return
            if time.monotonic() >= deadline:
                raise DeploymentPending(
                    f"endpoint {self._name} is {status}", expected="that it can be deleted"
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _live(self) -> set[str]:
        """The configurations that serve, or are being brought in."""
        found = self._call("sagemaker", "describe_endpoint", EndpointName=self._name)
        pending = found.get("PendingDeploymentSummary") or {}
        return {one for one in (found.get("EndpointConfigName"), pending.get("EndpointConfigName")) if one}

    def _forget_scaling(self) -> None:
        found = self._call("sagemaker", "describe_endpoint", EndpointName=self._name)
        scaling = Autoscaling(self._aws, self._name, None)
        scaling.remove(one["VariantName"] for one in found.get("ProductionVariants", ()))

    def _configurations(self, grace: timedelta = timedelta(0)) -> Iterator[str]:
        """Configurations of this model: those whose models are ours."""
        for name in self._listed("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", grace):
            if any(
                self._environment(model).get(MODEL_VARIABLE) == self._model for model in self._models_of(name)
            ):
                yield name

    def _models(self, kept: Collection[int], grace: timedelta) -> Iterator[str]:
        """Models of this model's versions but for those that are kept."""
        for name in self._listed("list_models", "Models", "ModelName", grace):
            environment = self._environment(name)
            version = version_of(environment.get(VARIANT_VARIABLE, ""))
            if environment.get(MODEL_VARIABLE) == self._model and (version is None or version not in kept):
                yield name

    def _models_of(self, configuration: str) -> list[str]:
        found = self._call("sagemaker", "describe_endpoint_config", EndpointConfigName=configuration)
        variants = [*found.get("ProductionVariants", ()), *found.get("ShadowProductionVariants", ())]
        return [one["ModelName"] for one in variants if "ModelName" in one]

    def _environment(self, model: str) -> dict[str, str]:
        found = self._call("sagemaker", "describe_model", ModelName=model)
        environment: dict[str, str] = (found.get("PrimaryContainer") or {}).get("Environment") or {}
        return environment

    def _listed(self, listing: str, part: str, field: str, grace: timedelta) -> Iterator[str]:
        """Names that begin as ours do, of what is old enough; a long model name is cut within."""
        before = self._now() - grace
        begins = f"{self._settings.prefix}-"
        more: dict[str, str] = {}
        while True:
            found = self._call("sagemaker", listing, NameContains=begins, **more)
            for one in found.get(part, ()):
                if one[field].startswith(begins) and one["CreationTime"] <= before:
                    yield one[field]
            if not found.get("NextToken"):
                return
            more = {"NextToken": found["NextToken"]}

    def _call(self, service: str, name: str, **params: Any) -> dict[str, Any]:
        """The answer; nothing for what is not there."""
        method = getattr(self._aws.client(service), name)
        return call(method, params, f"{name.replace('_', ' ')} of {self._name}", unless=is_missing) or {}
