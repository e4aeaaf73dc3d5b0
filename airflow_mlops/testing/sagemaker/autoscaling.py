"""Application Auto Scaling of the variants of endpoints: targets and policies are kept and checked.

Policies do not scale by themselves here; a target's bounds hold for the number of instances.
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_mlops.testing.sagemaker.api import ApiError, invalid, operation
from airflow_mlops.testing.sagemaker.hosting import Hosting, Variant
from airflow_mlops.testing.sagemaker.hosting_shown import show
from airflow_mlops.testing.sagemaker.listing import page

if TYPE_CHECKING:
    from airflow_mlops.testing.sagemaker.simulator import Simulator

_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_RESOURCE = re.compile(r"endpoint/([^/]+)/variant/([^/]+)")
_AWAKE = {
    "DynamicScalingInSuspended": False,
    "DynamicScalingOutSuspended": False,
    "ScheduledScalingSuspended": False,
}
_POLICY = "PolicyType"
_CONFIGURATIONS = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}


class Scaling:
    """The room: targets by resource, policies by resource and name."""

    def __init__(self, simulator: Simulator) -> None:
        self.targets: dict[str, dict[str, Any]] = {}
        self.policies: dict[tuple[str, str], dict[str, Any]] = {}

    def variants(self, endpoint: str) -> list[str]:
        """Variants of an endpoint that are scaled."""
        found = (_RESOURCE.fullmatch(one) for one in self.targets)
        return [match[2] for match in found if match and match[1] == endpoint]

    def target(self, resource: str) -> dict[str, Any]:
        """:raises ApiError: if there is none."""
        if resource not in self.targets:
            raise ApiError(
                "ObjectNotFoundException",
                f"No scalable target found for service namespace: sagemaker, resource ID: {resource}, scalable "
                f"dimension: {_DIMENSION}",
            )
        return self.targets[resource]

    def remove(self, resource: str) -> None:
        """A target and its policies."""
        del self.targets[resource]
        for key in [key for key in self.policies if key[0] == resource]:
            del self.policies[key]

    def forget(self, endpoint: str) -> None:
        """What there is for an endpoint that is gone."""
        for name in self.variants(endpoint):
            self.remove(f"endpoint/{endpoint}/variant/{name}")


def _variant(simulator: Simulator, params: dict[str, Any]) -> tuple[str, Variant]:
    """Name of the endpoint and the variant that a request means. :raises ApiError: if it is not there."""
    if params["ServiceNamespace"] != "sagemaker" or params["ScalableDimension"] != _DIMENSION:
        raise invalid(f"Only the namespace sagemaker with the dimension {_DIMENSION} is simulated.")
    match = _RESOURCE.fullmatch(params["ResourceId"])
    if match is None:
        raise invalid(
            f"Unsupported service namespace, resource type or scalable dimension: {params['ResourceId']}"
        )
    endpoint = simulator.room(Hosting).endpoints.get(match[1])
    found = endpoint.fleet.variant(match[2]) if endpoint is not None and endpoint.fleet is not None else None
    if endpoint is None or found is None:
        raise invalid(f"SageMaker endpoint variant not found: {params['ResourceId']}")
    return endpoint.name, found


@operation("application-autoscaling", "RegisterScalableTarget")
def register_scalable_target(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Bounds for the number of instances of a variant; they hold at once."""
    endpoint, variant = _variant(simulator, params)
    scaling, resource = simulator.room(Scaling), params["ResourceId"]
    old = scaling.targets.get(resource)
    if old is None and not {"MinCapacity", "MaxCapacity"} <= params.keys():
        raise invalid("MinCapacity and MaxCapacity are required for a new scalable target.")
    suspended = {
        **_AWAKE,
        **(old["SuspendedState"] if old else {}),
        **(params.get("SuspendedState") or {}),
    }
    arn = f"arn:aws:application-autoscaling:{simulator.region}:{simulator.account}:scalable-target/{endpoint}"
    target = {
        "ScalableTargetARN": f"{arn}-{variant.name}",
        "CreationTime": simulator.clock.now(),
        "RoleARN": f"arn:aws:iam::{simulator.account}:role/aws-service-role/sagemaker.application-autoscaling."
        "amazonaws.com/AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        **(old or {}),
        **{key: value for key, value in params.items() if key not in ("Tags", "SuspendedState")},
        "SuspendedState": suspended,
    }
    if target["MinCapacity"] > target["MaxCapacity"]:
        raise invalid("Maximum capacity cannot be less than minimum capacity")
    scaling.targets[resource] = target
    _hold(simulator, endpoint, variant, target)
    return {"ScalableTargetARN": target["ScalableTargetARN"]}


def _hold(simulator: Simulator, endpoint: str, variant: Variant, target: dict[str, Any]) -> None:
    """Bring the number of instances within the target's bounds."""

    def scaled() -> None:
        variant.instances = variant.desired_instances
        if endpoint in simulator.room(Hosting).endpoints:
            show(simulator, simulator.room(Hosting).endpoints[endpoint])

    wanted = min(max(variant.desired_instances, target["MinCapacity"]), target["MaxCapacity"])
    if wanted != variant.desired_instances:
        variant.desired_instances = wanted
        show(simulator, simulator.room(Hosting).endpoints[endpoint])
        simulator.clock.schedule(simulator.timing.machines, scaled)


@operation("application-autoscaling", "DescribeScalableTargets")
def describe_scalable_targets(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """All, or those of some resources."""
    wanted = params.get("ResourceIds")
    targets = simulator.room(Scaling).targets if params["ServiceNamespace"] == "sagemaker" else {}
    found = [one for name, one in sorted(targets.items()) if wanted is None or name in wanted]
    shown, more = page(found, params, dict, most=50)
    return {"ScalableTargets": shown, **more}


@operation("application-autoscaling", "DeregisterScalableTarget")
def deregister_scalable_target(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """With its policies."""
    scaling = simulator.room(Scaling)
    scaling.target(params["ResourceId"])
    scaling.remove(params["ResourceId"])
    return {}


@operation("application-autoscaling", "PutScalingPolicy")
def put_scaling_policy(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Make or change a policy of a target."""
    scaling, resource, name = simulator.room(Scaling), params["ResourceId"], params["PolicyName"]
    scaling.target(resource)
    old = scaling.policies.get((resource, name), {})
    kind = params.get(_POLICY, old.get(_POLICY, "StepScaling"))
    needed = _CONFIGURATIONS.get(kind)
    if needed is None:
        raise invalid(f"The policy type {kind} is not simulated.")
    if needed not in params:
        raise invalid(f"{needed} is required for policy type {kind}.")
    arn = (
        f"arn:aws:autoscaling:{simulator.region}:{simulator.account}:scalingPolicy:"
        f"sagemaker/{resource}:policyName/{name}"
    )
    scaling.policies[resource, name] = {
        "CreationTime": simulator.clock.now(),
        "Alarms": [],
        **old,
        **params,
        _POLICY: kind,
        "PolicyARN": arn,
    }
    return {"PolicyARN": arn, "Alarms": []}


@operation("application-autoscaling", "DescribeScalingPolicies")
def describe_scaling_policies(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """All, or those of a resource, or with some names."""
    names, resource = params.get("PolicyNames"), params.get("ResourceId")
    policies = simulator.room(Scaling).policies if params["ServiceNamespace"] == "sagemaker" else {}
    found = [
        policy
        for (where, name), policy in sorted(policies.items())
        if (names is None or name in names) and resource in (None, where)
    ]
    shown, more = page(found, params, dict, most=50)
    return {"ScalingPolicies": shown, **more}


@operation("application-autoscaling", "DeleteScalingPolicy")
def delete_scaling_policy(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Its target stays."""
    scaling, key = simulator.room(Scaling), (params["ResourceId"], params["PolicyName"])
    if key not in scaling.policies:
        raise ApiError(
            "ObjectNotFoundException",
            f"No scaling policy found for service namespace: sagemaker, resource ID: {key[0]}, scalable dimension: "
            f"{_DIMENSION}, policy name: {key[1]}",
        )
    del scaling.policies[key]
    return {}
