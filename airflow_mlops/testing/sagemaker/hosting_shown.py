"""How an endpoint looks to DescribeEndpoint and ListEndpoints."""

from __future__ import annotations

import hashlib
from typing import Any

from airflow_mlops.testing.sagemaker.hosting import Endpoint, Fleet, Hosting, Variant
from airflow_mlops.testing.sagemaker.records import Record
from airflow_mlops.testing.sagemaker.simulator import Simulator

#: FailureReason is no longer than this.
_LONGEST_REASON = 1024


def show(simulator: Simulator, endpoint: Endpoint) -> None:
    """Let everybody see how the endpoint is now."""
    endpoint.modified = simulator.clock.now()
    simulator.room(Hosting).shown.put(endpoint.name, _record(endpoint))


def _record(endpoint: Endpoint) -> Record:
    record: Record = {
        "EndpointName": endpoint.name,
        "EndpointArn": endpoint.arn,
        "EndpointConfigName": endpoint.config_name,
        "EndpointStatus": endpoint.status,
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    if endpoint.reason:
        record["FailureReason"] = endpoint.reason[:_LONGEST_REASON]
    if endpoint.fleet is not None and endpoint.status not in ("Creating", "Failed"):
        record |= _variants(endpoint.fleet, _summary)
        if endpoint.fleet.capture is not None:
            record["DataCaptureConfig"] = _capture(endpoint.fleet.capture)
    if endpoint.last_policy is not None:
        record["LastDeploymentConfig"] = endpoint.last_policy
    if endpoint.deployment is not None:
        green = endpoint.deployment.green
        record["PendingDeploymentSummary"] = {
            "EndpointConfigName": green.config_name,
            "StartTime": endpoint.deployment.started,
            **_variants(green, _pending),
        }
    return record


def _variants(fleet: Fleet, summary: Any) -> Record:
    found = {
        "ProductionVariants": [summary(one) for one in fleet.variants if not one.shadow],
        "ShadowProductionVariants": [summary(one) for one in fleet.variants if one.shadow],
    }
    return {name: value for name, value in found.items() if value}


def _pending(variant: Variant) -> Record:
    return {**_summary(variant), "InstanceType": variant.settings["InstanceType"]}


def _summary(variant: Variant) -> Record:
    image = variant.container.image.definition.get("Image", "")
    digest = hashlib.sha256(image.encode()).hexdigest()
    summary: Record = {
        "VariantName": variant.name,
        "CurrentWeight": variant.weight,
        "DesiredWeight": variant.desired_weight,
        "CurrentInstanceCount": variant.instances,
        "DesiredInstanceCount": variant.desired_instances,
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": f"{image.rpartition(':')[0] or image}@sha256:{digest}"}
        ],
    }
    if variant.status is not None:
        summary["VariantStatus"] = [{"Status": variant.status, "StartTime": variant.since}]
    return summary


def _capture(config: Record) -> Record:
    enabled = config.get("EnableCapture", True)
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": config["InitialSamplingPercentage"],
        "DestinationS3Uri": config["DestinationS3Uri"],
        "KmsKeyId": config.get("KmsKeyId", ""),
    }
