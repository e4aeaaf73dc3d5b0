"""What a connection says about SageMaker: roles, machines, networks. Nothing of it stands in a model's spec."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, model_validator

from airflow_mlops.core.section import Section
from airflow_mlops.spec.duration import Duration

_ROLE = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$"
#: SageMaker's names hold letters, digits and hyphens.
_PREFIX = r"^[a-zA-Z][a-zA-Z0-9-]{0,19}$"


class Network(Section):
    """The private network of jobs and endpoints."""

    subnets: tuple[str, ...] = Field(min_length=1, max_length=16)
    security_groups: tuple[str, ...] = Field(min_length=1, max_length=5)


class Jobs(Section):
    """The machines of training jobs."""

    role_arn: str | None = Field(
        None, pattern=_ROLE, description="Execution role; without one, the section's."
    )
    instance_type: str = Field("ml.m5.xlarge", pattern=r"^ml\.")
    instances: int = Field(1, ge=1, le=100, description="Machines that train one model together.")
    volume_gb: int = Field(30, ge=1)
    image: str | None = Field(
        None, description="Container image; without one, SageMaker's XGBoost of the region."
    )
    spot: bool = Field(False, description="Spare capacity, cheaper, may be interrupted: training resumes.")
    max_runtime: Duration = timedelta(hours=24)
    max_wait: Duration | None = Field(
        None, description="With spot: how long to wait for capacity and run in all."
    )

    @model_validator(mode="after")
    def _waits_long_enough(self) -> Jobs:
        if self.max_wait is not None and not self.spot:
            raise ValueError("max_wait is for spot training: set spot: true, or leave it out")
        if self.max_wait is not None and self.max_wait < self.max_runtime:
            raise ValueError("max_wait holds max_runtime too: make it as long at least")
        return self


class Guardrail(Section):
    """SageMaker's own canary, instead of ours: a share of the machines, a time to bake, alarms that roll back."""

    size: int = Field(10, ge=1, le=50, description="Per cent of the capacity that goes first.")
    bake: Duration = Field(
        timedelta(minutes=10), description="How long it is watched before the rest follows."
    )
    max_error_rate: float = Field(0.01, gt=0, lt=1, description="Share of 5xx answers that rings the alarm.")
    max_latency_ms: float | None = Field(None, gt=0, description="Mean model latency that rings the alarm.")


class Scaling(Section):
    """Target tracking of the instances of the variant that answers."""

    most: int = Field(ge=1, description="Most instances.")
    least: int = Field(1, ge=1)
    target: float = Field(70.0, gt=0, description="Invocations per instance and minute to keep.")


class Hosting(Section):
    """The machines of endpoints."""

    role_arn: str | None = Field(
        None, pattern=_ROLE, description="Execution role; without one, the section's."
    )
    instance_type: str = Field("ml.m5.large", pattern=r"^ml\.")
    instances: int = Field(1, ge=1)
    image: str | None = Field(
        None, description="Container image; without one, SageMaker's XGBoost of the region."
    )
    strategy: Literal["weights", "guardrail"] = Field(
        "weights", description="weights: our canary, judged by request; guardrail: SageMaker's, by alarms."
    )
    guardrail: Guardrail = Guardrail()
    keep_previous: bool = Field(
        True,
        description="The champion before stays warm without traffic: the way back is one call; it costs.",
    )
    scaling: Scaling | None = None
    capture_percent: int = Field(100, ge=1, le=100, description="Share of the requests that is captured.")
    failures_known_after: Duration = Field(
        timedelta(minutes=3),
        description="When a minute's count of failed requests is final in CloudWatch; no canary passes before.",
    )
    startup: Duration = Field(
        timedelta(minutes=10), description="How long a container may take to load a model."
    )
    slowest_change: Duration = Field(
        timedelta(minutes=60), description="A change that takes longer has failed."
    )


class Transform(Section):
    """The machines of batch predictions."""

    instance_type: str = Field("ml.m5.large", pattern=r"^ml\.")
    instances: int = Field(1, ge=1)


class SageMaker(Section):
    """Field ``sagemaker`` of an ``mlops`` connection.

    :raises SpecError: on construction, naming every wrong field.
    """

    role_arn: str | None = Field(None, pattern=_ROLE, description="Execution role of jobs and endpoints.")
    prefix: str = Field(
        "mlops", pattern=_PREFIX, description="Names of everything that is made begin with it."
    )
    tags: dict[str, str] = Field(default_factory=dict, description="Tags of everything that is made.")
    network: Network | None = None
    kms_key: str | None = Field(None, description="Key that encrypts volumes, captures and outputs.")
    training: Jobs = Jobs()
    hosting: Hosting = Hosting()
    transform: Transform = Transform()
    registry: bool = Field(True, description="Mirror versions to a model package group, with a model card.")
    models: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Sections that differ for one model, by its name."
    )

    @model_validator(mode="after")
    def _models_are_settings(self) -> SageMaker:
        for name in self.models:
            self.of_model(name)
        return self

    def of_model(self, name: str) -> SageMaker:
        """The settings of one model: its own fields over the common ones, section by section."""
        own = self.models.get(name, {})
        if "models" in own:
            raise ValueError(f"models.{name}: holds no models of its own")
        whole = self.model_dump(exclude={"models"})
        return SageMaker(**_merged(whole, own))


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    nested = {
        name: _merged(base[name], value)
        for name, value in over.items()
        if isinstance(value, dict) and isinstance(base.get(name), dict)
    }
    return {**base, **over, **nested}
