"""What SageMaker's model registry is asked for: a group per model and a model package per version."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_mlops.core.aws.names import endpoint_name
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store

#: Values of a package's metadata: letters, numbers, blanks and these signs, 256 characters at most.
_ODD = re.compile(r"[^\w\s.:/=+\-@]")
_LONGEST = 256
_DESCRIPTION = 1024
JSON = "application/json"


@dataclass(frozen=True)
class Container:
    """How a version is served: its image, where its ``model.tar.gz`` lies, and the environment."""

    image: str
    data_url: str
    environment: Mapping[str, str] = field(default_factory=dict)


def group_name(settings: SageMaker, model: str) -> str:
    """The model package group of a model; also the name of its model card."""
    return endpoint_name(settings.prefix, model)


def group_request(settings: SageMaker, model: str) -> dict[str, Any]:
    """``CreateModelPackageGroup``. Packages have the tags of their group, and can't have any of their own."""
    return {
        "ModelPackageGroupName": group_name(settings, model),
        "ModelPackageGroupDescription": f"versions of {model}, mirrored from the store",
        "Tags": tag_list(settings),
    }


def tag_list(settings: SageMaker) -> list[dict[str, str]]:
    """The tags of everything that is made, as requests hold them."""
    return [{"Key": key, "Value": value} for key, value in sorted(settings.tags.items())]


def package_request(
    settings: SageMaker,
    number: int,
    record: ModelVersion,
    container: Container,
    metrics_uri: str,
    attempt: int = 0,
) -> dict[str, Any]:
    """``CreateModelPackage`` of one version; the same version gives the same request.

    :param metrics_uri: where :func:`put_metrics` has written the version's metrics.
    :param attempt: how many packages of this version somebody has deleted.
    """
    request: dict[str, Any] = {
        "ModelPackageGroupName": group_name(settings, record.model),
        "ModelPackageDescription": _line(f"version {number} of {record.model}")[:_DESCRIPTION],
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": container.image,
                    "ModelDataUrl": container.data_url,
                    **({"Environment": dict(container.environment)} if container.environment else {}),
                }
            ],
            "SupportedContentTypes": [JSON],
            "SupportedResponseMIMETypes": [JSON],
            "SupportedRealtimeInferenceInstanceTypes": [settings.hosting.instance_type],
            "SupportedTransformInstanceTypes": [settings.transform.instance_type],
        },
        "ModelApprovalStatus": "PendingManualApproval",
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": JSON, "S3Uri": metrics_uri}}},
        "CustomerMetadataProperties": _metadata(number, record),
    }
    return {**request, "ClientToken": _token(request, attempt)}


def put_metrics(store: Store, number: int, record: ModelVersion) -> str:
    """Write the version's metrics in the form of SageMaker's model quality reports; return their URI.

    https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-model-quality-metrics.html
    """
    kind = (
        "regression_metrics" if record.trained.objective == "regression" else "binary_classification_metrics"
    )
    values = {
        name: {"value": value, "standard_deviation": "NaN"}
        for name, value in sorted(record.evaluation.metrics.items())
        if math.isfinite(value)
    }
    key = f"sagemaker/metrics/{record.model}/{number:010d}.json"
    with suppress(KeyExists):
        store.create(key, json.dumps({kind: values}, sort_keys=True).encode())
    return f"{store.uri}/{key}"


def _metadata(number: int, record: ModelVersion) -> dict[str, str]:
    known = {
        "mlops_model": record.model,
        "mlops_version": str(number),
        "mlops_dataset": f"{record.dataset.name}@{record.dataset.id}",
        "mlops_run": record.run.key if record.run else "none",
        "mlops_artifact": record.trained.artifact,
        "mlops_created_by": record.created_by,
    }
    return {name: _ODD.sub("_", _line(value))[:_LONGEST] for name, value in known.items()}


def _token(request: dict[str, Any], attempt: int) -> str:
    """Whoever asks for the same package again has the same token: SageMaker answers with the first one."""
    whole = json.dumps([request, attempt], sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _line(text: str) -> str:
    return " ".join(text.split())
