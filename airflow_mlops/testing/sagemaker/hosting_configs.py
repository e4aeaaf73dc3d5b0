"""Endpoint configurations: variants with their models and machines."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_mlops.testing.sagemaker.api import invalid, missing, operation
from airflow_mlops.testing.sagemaker.hosting import Hosting
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.records import Record
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags

_SHOWN = (
    "EndpointConfigName",
    "EndpointConfigArn",
    "ProductionVariants",
    "ShadowProductionVariants",
    "DataCaptureConfig",
    "KmsKeyId",
    "CreationTime",
    "AsyncInferenceConfig",
    "ExplainerConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "EnableNetworkIsolation",
    "MetricsConfig",
)


@operation("sagemaker", "CreateEndpointConfig")
def create_endpoint_config(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Keep a configuration, if its models are there."""
    hosting, name = simulator.room(Hosting), params["EndpointConfigName"]
    arn = simulator.arn("endpoint-config", name)
    if name in hosting.configs:
        raise invalid(f'Cannot create already existing endpoint configuration "{arn}".')
    variants, shadows = params["ProductionVariants"], params.get("ShadowProductionVariants", [])
    _check_variants(simulator, variants, shadows)
    record = {**params, "EndpointConfigArn": arn, "CreationTime": simulator.clock.now()}
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        if kind in record:
            record[kind] = [{"InitialVariantWeight": 1.0, **one} for one in record[kind]]
    if "DataCaptureConfig" in record:
        record["DataCaptureConfig"] = {"EnableCapture": True, **record["DataCaptureConfig"]}
    simulator.room(Tags).register(arn, record.pop("Tags", None))
    hosting.configs.put(name, record)
    return {"EndpointConfigArn": arn}


@operation("sagemaker", "DescribeEndpointConfig")
def describe_endpoint_config(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """As it was created."""
    name = params["EndpointConfigName"]
    record = simulator.room(Hosting).configs.seen(name)
    if record is None:
        raise missing_config(simulator, name)
    return only(record, *_SHOWN)


@operation("sagemaker", "DeleteEndpointConfig")
def delete_endpoint_config(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Also of an endpoint that uses it: AWS warns of that, but does not refuse it.

    https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeleteEndpointConfig.html. The endpoint can't be
    updated any more then.
    """
    hosting, name = simulator.room(Hosting), params["EndpointConfigName"]
    if name not in hosting.configs:
        raise missing_config(simulator, name)
    hosting.configs.remove(name)
    simulator.room(Tags).forget(simulator.arn("endpoint-config", name))
    return {}


@operation("sagemaker", "ListEndpointConfigs")
def list_endpoint_configs(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of configurations, newest first."""
    records = simulator.room(Hosting).configs.all_seen()
    found = chosen(records, params, name="EndpointConfigName", order="Descending")
    names = ("EndpointConfigName", "EndpointConfigArn", "CreationTime")
    shown, more = page(found, params, lambda one: only(one, *names))
    return {"EndpointConfigs": shown, **more}


def missing_config(simulator: Simulator, name: str) -> Exception:
    """The error of a configuration that is not there."""
    return missing(f'endpoint configuration "{simulator.arn("endpoint-config", name)}"')


def _check_variants(simulator: Simulator, variants: list[Record], shadows: list[Record]) -> None:
    names = Counter(one["VariantName"] for one in [*variants, *shadows])
    if twice := [name for name, count in names.items() if count > 1]:
        raise invalid(f'Variant names must be unique, but there are several "{twice[0]}".')
    # "you can only specify one variant for ProductionVariants and one variant for ShadowProductionVariants":
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateEndpointConfig.html
    if shadows and (len(variants) > 1 or len(shadows) > 1):
        raise invalid(
            "With ShadowProductionVariants, you can only specify one variant for ProductionVariants and one variant "
            "for ShadowProductionVariants."
        )
    if sum(one.get("InitialVariantWeight", 1.0) for one in variants) <= 0:
        raise invalid("The sum of the weights of the production variants must be greater than 0.")
    for one in [*variants, *shadows]:
        _check_variant(simulator, one)


def _check_variant(simulator: Simulator, variant: Record) -> None:
    name = variant.get("ModelName")
    if name is None or "ServerlessConfig" in variant:
        raise invalid(
            f'The simulator serves variants with a ModelName on instances: not "{variant["VariantName"]}" '
            "(no inference components, no serverless variants)."
        )
    if "InstanceType" not in variant or "InitialInstanceCount" not in variant:
        raise invalid(
            f'InstanceType and InitialInstanceCount are required for variant "{variant["VariantName"]}".'
        )
    if name not in simulator.room(Hosting).models:
        raise missing(f'model "{simulator.arn("model", name)}"')
