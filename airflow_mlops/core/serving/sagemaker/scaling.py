"""Autoscaling of the variant that answers, carried over when another one takes its place.

SageMaker forgets it by itself: targets hang on the name of a variant, and an update that takes a variant away is
refused while it has one. https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-scaling-update.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import is_missing
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import Scaling
from airflow_mlops.core.errors import DeploymentFailed

_SERVICE, _DIMENSION = "sagemaker", "sagemaker:variant:DesiredInstanceCount"
_PREDEFINED = "SageMakerVariantInvocationsPerInstance"
_POLICY_FIELDS = (
    "PolicyName",
    "PolicyType",
    "TargetTrackingScalingPolicyConfiguration",
    "StepScalingPolicyConfiguration",
)


class Autoscaling:
    """Targets and policies of one endpoint's variants.

    :param name: of the endpoint.
    :param settings: of the connection; None leaves alone what people have set up, and carries it over.
    """

    def __init__(self, aws: Aws, name: str, settings: Scaling | None) -> None:
        self._aws = aws
        self._name = name
        self._settings = settings

    def read(self, variant: str) -> tuple[dict[str, Any], ...]:
        """How a variant scales: its target and its policies; nothing for one that does not.

        :raises DeploymentFailed: if it can't be asked.
        """
        where = {"ServiceNamespace": _SERVICE, "ScalableDimension": _DIMENSION}
        targets = self._call("describe_scalable_targets", ResourceIds=[self._resource(variant)], **where).get(
            "ScalableTargets", ()
        )
        if not targets:
            return ()
        policies = self._call("describe_scaling_policies", ResourceId=self._resource(variant), **where).get(
            "ScalingPolicies", ()
        )
        kept = [{name: one[name] for name in _POLICY_FIELDS if name in one} for one in policies]
        return ({name: targets[0][name] for name in ("MinCapacity", "MaxCapacity")}, *kept)

    def remove(self, variants: Iterable[str]) -> None:
        """Deregister variants that are about to go; their policies go with them."""
        for variant in variants:
            self._call(
                "deregister_scalable_target",
                ServiceNamespace=_SERVICE,
                ResourceId=self._resource(variant),
                ScalableDimension=_DIMENSION,
            )

    def apply(self, variant: str, carried: tuple[dict[str, Any], ...]) -> None:
        """Let a variant scale as the settings say; without settings, as its predecessor did.

        :param carried: what :meth:`read` said of the predecessor.
        """
        target, *policies = self._wanted() or carried or (None,)
        if target is None:
            return
        where = {
            "ServiceNamespace": _SERVICE,
            "ResourceId": self._resource(variant),
            "ScalableDimension": _DIMENSION,
        }
        self._call("register_scalable_target", **where, **target)
        for policy in policies:
            self._call("put_scaling_policy", **where, **policy)

    def _wanted(self) -> tuple[dict[str, Any], ...]:
        if self._settings is None:
            return ()
        tracking = {
            "TargetValue": self._settings.target,
            "PredefinedMetricSpecification": {"PredefinedMetricType": _PREDEFINED},
        }
        policy = {
            "PolicyName": f"{self._name}-requests",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": tracking,
        }
        return {"MinCapacity": self._settings.least, "MaxCapacity": self._settings.most}, policy

    def _resource(self, variant: str) -> str:
        return f"endpoint/{self._name}/variant/{variant}"

    def _call(self, name: str, **params: Any) -> dict[str, Any]:
        """The answer; nothing for what is not there."""
        method = getattr(self._aws.client("application-autoscaling"), name)
        action = f"{name.replace('_', ' ')} of {self._name}"
        return call(method, params, action, kind=DeploymentFailed, unless=is_missing) or {}
