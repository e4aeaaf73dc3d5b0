"""Endpoints: created, updated to another configuration, weighed anew, deleted."""

from __future__ import annotations

from typing import Any

from airflow_mlops.testing.sagemaker.alarms import Alarms
from airflow_mlops.testing.sagemaker.api import ApiError, invalid, missing, operation
from airflow_mlops.testing.sagemaker.autoscaling import Scaling
from airflow_mlops.testing.sagemaker.hosting import Endpoint, Fleet, Hosting
from airflow_mlops.testing.sagemaker.hosting_configs import missing_config
from airflow_mlops.testing.sagemaker.hosting_deployment import NO_CAPACITY, Deployment, reason_of
from airflow_mlops.testing.sagemaker.hosting_shown import show
from airflow_mlops.testing.sagemaker.hosting_usage import Usage
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.records import Record
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags

_SHARES = {"CANARY": ("CanarySize", 1, 50), "LINEAR": ("LinearStepSize", 10, 50)}


@operation("sagemaker", "CreateEndpoint")
def create_endpoint(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Ask for the machines and let the models be loaded."""
    hosting, name = simulator.room(Hosting), params["EndpointName"]
    arn = simulator.arn("endpoint", name)
    if name in hosting.endpoints:
        raise invalid(f'Cannot create already existing endpoint "{arn}".')
    config = _config(simulator, params["EndpointConfigName"])
    if hosting.configs.seen(config["EndpointConfigName"]) is None:
        # "The response might include some stale data. If the dependent entities are not yet in DynamoDB, this causes a
        # validation error": https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpoint.html
        raise missing_config(simulator, config["EndpointConfigName"])
    endpoint = Endpoint(name, arn, simulator.clock.now(), config_name=config["EndpointConfigName"])
    if "DeploymentConfig" in params:
        _check_policy(simulator, params["DeploymentConfig"])
        endpoint.last_policy = params["DeploymentConfig"]
    simulator.room(Tags).register(arn, params.get("Tags"))
    hosting.endpoints[name] = endpoint
    endpoint.fleet = hosting.make_fleet(endpoint, config)
    simulator.room(Usage)
    simulator.clock.schedule(simulator.timing.machines, lambda: _provision(simulator, endpoint))
    show(simulator, endpoint)
    return {"EndpointArn": arn}


@operation("sagemaker", "DescribeEndpoint")
def describe_endpoint(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """What it serves with now, and what is on its way."""
    record = simulator.room(Hosting).shown.seen(params["EndpointName"])
    if record is None:
        raise _missing(simulator, params["EndpointName"])
    return record


@operation("sagemaker", "ListEndpoints")
def list_endpoints(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of endpoints, newest first."""
    records = simulator.room(Hosting).shown.all_seen()
    found = chosen(records, params, name="EndpointName", status="EndpointStatus", order="Descending")
    names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
    shown, more = page(found, params, lambda one: only(one, *names))
    return {"Endpoints": shown, **more}


@operation("sagemaker", "UpdateEndpoint")
def update_endpoint(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Bring up another configuration beside the one that serves, then move the requests."""
    hosting = simulator.room(Hosting)
    endpoint = _changeable(simulator, params["EndpointName"])
    blue = _serving(endpoint)
    config = _config(simulator, params["EndpointConfigName"])
    # AWS finds the old one, too: https://github.com/hashicorp/terraform-provider-aws/issues/40048
    _config(simulator, endpoint.config_name)
    if config["EndpointConfigName"] == endpoint.config_name:
        # "You cannot update an endpoint with the current EndpointConfig", UpdateEndpoint's documentation said until it
        # became "To update an endpoint, you must create a new EndpointConfig".
        raise invalid(f'Cannot update endpoint "{endpoint.arn}" with its current endpoint configuration.')
    policy = params.get("DeploymentConfig")
    if policy is None and params.get("RetainDeploymentConfig"):
        policy = endpoint.last_policy
    if policy is not None:
        _check_policy(simulator, policy)
        _check_names(blue, config)
        if "RollingUpdatePolicy" in policy and len(blue.variants) > 1:
            # https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
            raise invalid("Endpoints with several variants can't have a RollingUpdatePolicy.")
    _check_scaling(simulator, endpoint, blue, config)
    green = hosting.make_fleet(endpoint, config)
    if params.get("RetainAllVariantProperties"):
        without = {one["VariantPropertyType"] for one in params.get("ExcludeRetainedVariantProperties", ())}
        _retain(blue, green, without)
    endpoint.last_policy = policy
    endpoint.deployment = Deployment(
        simulator, hosting, endpoint, blue, green, policy or {}, lambda: show(simulator, endpoint)
    )
    endpoint.deployment.begin()
    return {"EndpointArn": endpoint.arn}


@operation("sagemaker", "UpdateEndpointWeightsAndCapacities")
def update_weights(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Other weights and numbers of instances for variants that serve, all at one moment."""
    endpoint = _changeable(simulator, params["EndpointName"])
    fleet, changes = _serving(endpoint), params["DesiredWeightsAndCapacities"]
    names = {one.name for one in fleet.variants}
    unknown = [one["VariantName"] for one in changes if one["VariantName"] not in names]
    if unknown:
        raise invalid(f'Could not find variant(s) "{unknown}" in endpoint "{endpoint.arn}".')
    asked = {one["VariantName"]: one for one in changes}
    weights = [
        asked.get(one.name, {}).get("DesiredWeight", one.weight) for one in fleet.variants if not one.shadow
    ]
    if sum(weights) <= 0:
        raise invalid("The sum of the weights of the production variants must be greater than 0.")
    for one in fleet.variants:
        change = asked.get(one.name, {})
        one.desired_weight = float(change.get("DesiredWeight", one.weight))
        one.desired_instances = int(change.get("DesiredInstanceCount", one.instances))
    endpoint.status, endpoint.reason = "Updating", None
    fleet.mark("Updating", simulator.clock.now())
    simulator.clock.schedule(simulator.timing.machines, lambda: _weigh(simulator, endpoint, fleet))
    show(simulator, endpoint)
    return {"EndpointArn": endpoint.arn}


@operation("sagemaker", "DeleteEndpoint")
def delete_endpoint(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """It answers no more from now on, and is gone a little later."""
    endpoint = _find(simulator, params["EndpointName"])
    if endpoint.status not in ("InService", "Failed", "UpdateRollbackFailed"):
        raise _in_progress(endpoint)
    endpoint.status = "Deleting"
    endpoint.route()
    simulator.clock.schedule(simulator.timing.machines, lambda: _remove(simulator, endpoint))
    show(simulator, endpoint)
    return {}


def _provision(simulator: Simulator, endpoint: Endpoint) -> None:
    def loaded(failed: str | None) -> None:
        if failed is None:
            endpoint.status = "InService"
            endpoint.route((1.0, fleet))
        else:
            endpoint.status, endpoint.reason = "Failed", failed
            simulator.room(Hosting).retire(endpoint, fleet)
        show(simulator, endpoint)

    fleet = _serving(endpoint)
    fault = simulator.faults.take("update_fails", "CreateEndpoint")
    if simulator.faults.take("capacity", "CreateEndpoint"):
        loaded(NO_CAPACITY)
    elif fault is not None:
        loaded(reason_of(fault, "Request to service failed. If failure persists, contact support."))
    else:
        simulator.room(Hosting).launch(fleet, loaded)


def _weigh(simulator: Simulator, endpoint: Endpoint, fleet: Fleet) -> None:
    """The second half of a change of weights."""
    name = "UpdateEndpointWeightsAndCapacities"
    grows = any(one.desired_instances > one.instances for one in fleet.variants)
    if grows and simulator.faults.take("capacity", name):
        _weigh_back(simulator, endpoint, fleet, NO_CAPACITY)
        return
    fault = simulator.faults.take("update_fails", name)
    if fault is not None:
        reason = reason_of(fault, "Request to service failed. If failure persists, contact support.")
        _weigh_back(simulator, endpoint, fleet, reason)
        return
    with endpoint.gate:
        for one in fleet.variants:
            one.weight, one.instances = one.desired_weight, one.desired_instances
    _settle(simulator, endpoint, fleet)


def _weigh_back(simulator: Simulator, endpoint: Endpoint, fleet: Fleet, reason: str) -> None:
    def back() -> None:
        if simulator.faults.take("rollback_fails", "UpdateEndpointWeightsAndCapacities"):
            endpoint.status = "Failed"
            fleet.mark(None, simulator.clock.now())
            show(simulator, endpoint)
        else:
            _settle(simulator, endpoint, fleet)

    endpoint.status, endpoint.reason = "RollingBack", reason or None
    for one in fleet.variants:
        one.desired_weight, one.desired_instances = one.weight, one.instances
    simulator.clock.schedule(simulator.timing.machines, back)
    show(simulator, endpoint)


def _settle(simulator: Simulator, endpoint: Endpoint, fleet: Fleet) -> None:
    endpoint.status = "InService"
    fleet.mark(None, simulator.clock.now())
    show(simulator, endpoint)


def _remove(simulator: Simulator, endpoint: Endpoint) -> None:
    hosting = simulator.room(Hosting)
    for fleet in (endpoint.fleet, endpoint.leftover):
        if fleet is not None:
            hosting.retire(endpoint, fleet)
    del hosting.endpoints[endpoint.name]
    hosting.shown.remove(endpoint.name)
    simulator.room(Tags).forget(endpoint.arn)
    simulator.room(Scaling).forget(endpoint.name)


def _find(simulator: Simulator, name: str) -> Endpoint:
    endpoint = simulator.room(Hosting).endpoints.get(name)
    if endpoint is None:
        raise _missing(simulator, name)
    return endpoint


def _changeable(simulator: Simulator, name: str) -> Endpoint:
    endpoint = _find(simulator, name)
    if endpoint.status in ("Failed", "UpdateRollbackFailed"):
        # "DeleteEndpoint is the only operation that can be performed on a failed endpoint":
        # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html. What a failed rollback
        # permits is not said; refusing is the careful reading.
        raise invalid(f'Cannot update endpoint "{endpoint.arn}" with status {endpoint.status}.')
    if endpoint.status != "InService":
        raise _in_progress(endpoint)
    return endpoint


def _serving(endpoint: Endpoint) -> Fleet:
    if endpoint.fleet is None:
        raise ApiError("InternalFailure", f"{endpoint.name} has no fleet", 500)
    return endpoint.fleet


def _config(simulator: Simulator, name: str) -> Record:
    config = simulator.room(Hosting).configs.get(name)
    if config is None:
        raise missing_config(simulator, name)
    models = simulator.room(Hosting).models
    for one in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", ())]:
        if one["ModelName"] not in models:
            raise missing(f'model "{simulator.arn("model", one["ModelName"])}"')
    return config


def _missing(simulator: Simulator, name: str) -> ApiError:
    return missing(f'endpoint "{simulator.arn("endpoint", name)}"')


def _in_progress(endpoint: Endpoint) -> ApiError:
    return invalid(f'Cannot update in-progress endpoint "{endpoint.arn}".')


def _check_policy(simulator: Simulator, policy: Record) -> None:
    if "BlueGreenUpdatePolicy" in policy and "RollingUpdatePolicy" in policy:
        raise invalid("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be given.")
    if "RollingUpdatePolicy" in policy:
        _check_share("MaximumBatchSize", policy["RollingUpdatePolicy"].get("MaximumBatchSize"), 5, 50)
    elif "BlueGreenUpdatePolicy" in policy:
        routing = policy["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]
        for kind, (name, least, most) in _SHARES.items():
            if routing["Type"] == kind:
                _check_share(name, routing.get(name), least, most)
            elif name in routing:
                raise invalid(f"{name} is for traffic routing of type {kind}, not {routing['Type']}.")
    wanted = [one["AlarmName"] for one in policy.get("AutoRollbackConfiguration", {}).get("Alarms", ())]
    if unknown := [name for name in wanted if name not in simulator.room(Alarms)]:
        raise invalid(f"Could not find alarm(s) {unknown} of AutoRollbackConfiguration.")


def _check_share(name: str, size: Record | None, least: int, most: int) -> None:
    """https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TrafficRoutingConfig.html says the limits."""
    if size is None:
        raise invalid(f"{name} is required.")
    if size["Type"] == "CAPACITY_PERCENT" and not least <= size["Value"] <= most:
        raise invalid(f"{name} must be {least} to {most} percent, but is {size['Value']}.")


def _check_names(blue: Fleet, config: Record) -> None:
    """A policy moves the requests of each variant to the one of the same name.

    https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-exclusions.html
    """
    old = sorted(one.name for one in blue.variants)
    new = sorted(
        one["VariantName"]
        for one in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", ())]
    )
    if old != new:
        raise invalid(
            "With a DeploymentConfig, the new endpoint configuration must have the variants of the current one: "
            f"they are {old}, but would be {new}."
        )


def _check_scaling(simulator: Simulator, endpoint: Endpoint, blue: Fleet, config: Record) -> None:
    new = {one["VariantName"]: one["InstanceType"] for one in config["ProductionVariants"]}
    scaled = simulator.room(Scaling).variants(endpoint.name)
    old = {one.name: one.settings["InstanceType"] for one in blue.variants if not one.shadow}
    if changed := [name for name in scaled if new.get(name) != old.get(name)]:
        raise invalid(
            f'The variant(s) "{changed}" must be deregistered as scalable targets with AWS Auto Scaling before they '
            "can be removed or have their instance type updated."
        )


def _retain(blue: Fleet, green: Fleet, without: set[str]) -> None:
    """RetainAllVariantProperties: what was changed since the old configuration holds in the new one, too."""
    for one in green.variants:
        old = blue.variant(one.name, shadow=one.shadow)
        if old is None:
            continue
        if "DesiredWeight" not in without:
            one.weight = one.desired_weight = old.weight
        if "DesiredInstanceCount" not in without:
            one.instances = one.desired_instances = old.instances
    if "DataCaptureConfig" not in without:
        green.capture = blue.capture
