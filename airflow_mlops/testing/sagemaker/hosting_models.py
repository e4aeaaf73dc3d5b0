"""Models: what a container runs, by name."""

from __future__ import annotations

from typing import Any

from airflow_mlops.testing.sagemaker.api import invalid, missing, operation
from airflow_mlops.testing.sagemaker.hosting import Hosting
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.objects import split_uri
from airflow_mlops.testing.sagemaker.records import Record
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags

_SHOWN = (
    "ModelName",
    "PrimaryContainer",
    "Containers",
    "InferenceExecutionConfig",
    "ExecutionRoleArn",
    "VpcConfig",
    "CreationTime",
    "ModelArn",
    "EnableNetworkIsolation",
)


@operation("sagemaker", "CreateModel")
def create_model(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Keep a model, if its data is there."""
    hosting, name = simulator.room(Hosting), params["ModelName"]
    arn = simulator.arn("model", name)
    if name in hosting.models:
        raise invalid(f'Cannot create already existing model "{arn}".')
    containers = (
        [params["PrimaryContainer"]] if "PrimaryContainer" in params else params.get("Containers", [])
    )
    _check_containers(params, containers)
    _check_data(simulator, params, containers[0])
    record = {
        "EnableNetworkIsolation": False,
        **params,
        "ModelArn": arn,
        "CreationTime": simulator.clock.now(),
    }
    simulator.room(Tags).register(arn, record.pop("Tags", None))
    hosting.models.put(name, record)
    return {"ModelArn": arn}


@operation("sagemaker", "DescribeModel")
def describe_model(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """As it was created."""
    name = params["ModelName"]
    record = simulator.room(Hosting).models.seen(name)
    if record is None:
        raise _missing(simulator, name)
    return only(record, *_SHOWN)


@operation("sagemaker", "DeleteModel")
def delete_model(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Endpoints that serve it go on; their configurations can't be used for another one."""
    hosting, name = simulator.room(Hosting), params["ModelName"]
    if name not in hosting.models:
        raise _missing(simulator, name)
    hosting.models.remove(name)
    simulator.room(Tags).forget(simulator.arn("model", name))
    return {}


@operation("sagemaker", "ListModels")
def list_models(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of models, newest first."""
    found = chosen(simulator.room(Hosting).models.all_seen(), params, name="ModelName", order="Descending")
    shown, more = page(found, params, lambda one: only(one, "ModelName", "ModelArn", "CreationTime"))
    return {"Models": shown, **more}


def _missing(simulator: Simulator, name: str) -> Exception:
    return missing(f'model "{simulator.arn("model", name)}"')


def _check_containers(params: Record, containers: list[Record]) -> None:
    if "PrimaryContainer" in params and "Containers" in params:
        raise invalid("Both PrimaryContainer and Containers were given: a model has one of them.")
    if not containers:
        raise invalid("One of PrimaryContainer and Containers is required.")
    if "ExecutionRoleArn" not in params:
        raise invalid("ExecutionRoleArn is required.")
    if len(containers) > 1 or containers[0].get("Mode") == "MultiModel" or "Image" not in containers[0]:
        raise invalid(
            "The simulator runs models of one container, given by its Image; no pipelines, multi-model containers or "
            "model packages."
        )


def _check_data(simulator: Simulator, params: Record, container: Record) -> None:
    """As CreateModel does: the data must be there for the role, in the region."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    uri = source["S3Uri"] if source else container.get("ModelDataUrl")
    if uri is None or (source and source["S3DataType"] == "S3Prefix"):
        return
    bucket, key = split_uri(uri)
    try:
        simulator.s3().head_object(Bucket=bucket, Key=key)
    except Exception as error:
        status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 404:
            raise invalid(f"Could not find model data at {uri}.") from None
        raise invalid(
            f'Could not access model data at {uri}. Please ensure that the role "{params["ExecutionRoleArn"]}" exists '
            'and that its trust relationship policy allows the action "sts:AssumeRole" for the service principal '
            '"sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and that the object '
            f"is located in {simulator.region}."
        ) from None
