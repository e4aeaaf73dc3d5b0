"""What an endpoint really consists of at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import is_missing
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.serving.sagemaker.layout import LIVE, Slot, version_of

#: Environment of our SageMaker models: whose they are, which variant they are.
MODEL_VARIABLE, VARIANT_VARIABLE = "MLOPS_MODEL", "MLOPS_VARIANT"

#: States in which nothing answers, whatever variants the description names.
_SILENT = frozenset({"Creating", "Deleting", "Failed", "OutOfService"})


@dataclass(frozen=True)
class Live:
    """An endpoint as SageMaker describes it.

    :param status: of the endpoint, e.g. ``InService`` or ``Updating``.
    :param config: name of the configuration that serves.
    :param slots: the variants that serve, by their current weights.
    :param coming: the variants as they will be once the change in progress is done; ``slots`` without one.
    :param pending: name of the configuration that is being brought in.
    :param reason: what SageMaker says of the last failure; a new change wipes it.
    """

    status: str
    config: str
    slots: tuple[Slot, ...]
    coming: tuple[Slot, ...]
    pending: str | None = None
    reason: str = ""
    modified: datetime | None = None


class Describer:
    """Describes one endpoint: one call, and one more for each configuration that was not seen before."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name
        # Configurations and models never change: they are asked for once.
        self._configs: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, int | None] = {}

    def read(self) -> Live | None:
        """The endpoint now, None when there is none. :raises EndpointError: if SageMaker can't be asked."""
        found = self._ask("describe_endpoint", f"describe endpoint {self._name}", EndpointName=self._name)
        return self._live(found) if found is not None else None

    def machine(self, config: str, variant: str) -> str:
        """The instance type of a variant, empty when it is not known."""
        return str(self._variants(config).get(variant, {}).get("InstanceType", ""))

    def _live(self, found: dict[str, Any]) -> Live:
        config, status = found.get("EndpointConfigName", ""), found["EndpointStatus"]
        pending = found.get("PendingDeploymentSummary") or {}
        current = () if status in _SILENT else self._slots(found, config, "CurrentWeight")
        coming = (
            self._slots(pending, pending["EndpointConfigName"], "DesiredWeight")
            if pending
            else self._slots(found, config, "DesiredWeight")
        )
        return Live(
            status=status,
            config=config,
            slots=current,
            coming=coming,
            pending=pending.get("EndpointConfigName"),
            reason=" ".join(str(found.get("FailureReason", "")).split()),
            modified=found.get("LastModifiedTime"),
        )

    def _slots(self, part: dict[str, Any], config: str, weight: str) -> tuple[Slot, ...]:
        """The variants of a description.

        :param weight: the field that says how heavy one is; while an endpoint is being made it may be missing.
        """
        found = []
        for key, shadow in (("ProductionVariants", False), ("ShadowProductionVariants", True)):
            for one in part.get(key) or ():
                name = one["VariantName"]
                heavy = one.get(weight, one.get("DesiredWeight", 0.0))
                count = one.get("CurrentInstanceCount") or one.get("DesiredInstanceCount") or 0
                found.append(
                    Slot(
                        name,
                        self._version(config, name),
                        float(heavy),
                        shadow,
                        int(count),
                        self.machine(config, name),
                    )
                )
        return tuple(found)

    def _version(self, config: str, name: str) -> int | None:
        if name != LIVE:
            return version_of(name)
        model = self._variants(config).get(name, {}).get("ModelName", "")
        if model not in self._versions:
            self._versions[model] = self._version_of_model(model)
        return self._versions[model]

    def _version_of_model(self, model: str) -> int | None:
        found = self._ask("describe_model", f"describe model {model}", ModelName=model)
        container = (found or {}).get("PrimaryContainer") or {}
        return version_of((container.get("Environment") or {}).get(VARIANT_VARIABLE, ""))

    def _variants(self, config: str) -> dict[str, dict[str, Any]]:
        if config not in self._configs:
            # One that was deleted under its endpoint, which goes on serving, is nothing.
            self._configs[config] = (
                self._ask(
                    "describe_endpoint_config",
                    f"describe configuration {config}",
                    EndpointConfigName=config,
                )
                or {}
            )
        found = self._configs[config]
        listed = [*found.get("ProductionVariants", ()), *found.get("ShadowProductionVariants", ())]
        return {one["VariantName"]: one for one in listed}

    def _ask(self, name: str, action: str, **params: str) -> dict[str, Any] | None:
        """The answer, None for what is not there."""
        method = getattr(self._aws.client("sagemaker"), name)
        return call(method, params, action, kind=EndpointError, unless=is_missing)
