"""Batch transform jobs: the operations."""

from __future__ import annotations

import copy
from typing import Any

from airflow_mlops.testing.sagemaker.api import ApiError, invalid, missing, operation
from airflow_mlops.testing.sagemaker.hosting import Hosting
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags
from airflow_mlops.testing.sagemaker.training import check_data
from airflow_mlops.testing.sagemaker.transform_run import TransformRun

_SUMMARY = (
    "TransformJobName",
    "TransformJobArn",
    "CreationTime",
    "TransformEndTime",
    "TransformJobStatus",
    "FailureReason",
)
#: MaxConcurrentTransforms times MaxPayloadInMB.
_MOST_MB = 100


class TransformJobs:
    """The room: all jobs, and those that run."""

    def __init__(self, simulator: Simulator) -> None:
        self.records = Records(simulator)
        self.runs: dict[str, TransformRun] = {}

    def stop(self) -> None:
        """End every container."""
        for run in self.runs.values():
            run.close()


@operation("sagemaker", "CreateTransformJob")
def create_transform_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Names are unique for ever: jobs can't be deleted."""
    jobs, name = simulator.room(TransformJobs), params["TransformJobName"]
    arn = simulator.arn("transform-job", name)
    if name in jobs.records:
        raise ApiError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already exists "
            f"({arn})",
        )
    request = copy.deepcopy(params)
    tags = request.pop("Tags", None)
    definition = _checked_model(simulator, request)
    simulator.room(Tags).register(arn, tags)
    record: Record = {
        **copy.deepcopy(request),
        "TransformJobArn": arn,
        "TransformJobStatus": "InProgress",
        "CreationTime": simulator.clock.now(),
    }
    jobs.records.put(name, record)
    run = TransformRun(simulator, jobs.records, record, request, definition)
    jobs.runs[name] = run
    run.start()
    return {"TransformJobArn": arn}


@operation("sagemaker", "DescribeTransformJob")
def describe_transform_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """How the job is."""
    found = simulator.room(TransformJobs).records.seen(params["TransformJobName"])
    if found is None:
        raise _missing(params["TransformJobName"])
    return found


@operation("sagemaker", "ListTransformJobs")
def list_transform_jobs(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of jobs, newest first."""
    found = chosen(
        simulator.room(TransformJobs).records.all_seen(),
        params,
        name="TransformJobName",
        status="TransformJobStatus",
        order="Descending",
    )
    shown, more = page(found, params, lambda one: only(one, *_SUMMARY))
    return {"TransformJobSummaries": shown, **more}


@operation("sagemaker", "StopTransformJob")
def stop_transform_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Ask a job to end."""
    jobs = simulator.room(TransformJobs)
    record = jobs.records.get(params["TransformJobName"])
    if record is None:
        raise _missing(params["TransformJobName"])
    status = record["TransformJobStatus"]
    if status not in {"InProgress", "Stopping"}:
        raise invalid(f"The request was rejected because the transform job is in status {status}.")
    if status == "InProgress":
        jobs.runs[params["TransformJobName"]].stop()
    return {}


def _checked_model(simulator: Simulator, request: dict[str, Any]) -> dict[str, Any]:
    """The container of the job's model. :raises ApiError: as AWS does."""
    model = simulator.room(Hosting).models.get(request["ModelName"])
    if model is None:
        raise missing(f'model "{simulator.arn("model", request["ModelName"])}"')
    definition: dict[str, Any] = model.get("PrimaryContainer") or model["Containers"][0]
    if "ModelDataSource" in definition:
        # https://github.com/aws/sagemaker-python-sdk/issues/4777
        raise invalid(
            "SageMaker Batch currently doesn't support Model entity with container definitions which use "
            "ModelDataSource attribute"
        )
    at_once, payload = request.get("MaxConcurrentTransforms", 1), request.get("MaxPayloadInMB", 6)
    if at_once * payload > _MOST_MB:
        raise invalid(f"MaxConcurrentTransforms * MaxPayloadInMB must not exceed {_MOST_MB} MB.")
    _check_simulated(request)
    source = request["TransformInput"]["DataSource"]["S3DataSource"]
    check_data(simulator, source["S3Uri"], model["ExecutionRoleArn"])
    return definition


def _check_simulated(request: dict[str, Any]) -> None:
    """:raises ApiError: for what AWS can do and the simulator can't."""
    given, processing = request["TransformInput"], request.get("DataProcessing", {})
    if given["DataSource"]["S3DataSource"]["S3DataType"] != "S3Prefix":
        raise invalid("The simulator reads S3Prefix only, no manifests.")
    if given.get("SplitType", "None") not in {"None", "Line"}:
        raise invalid("The simulator splits by Line only.")
    if any(processing.get(name, "$") != "$" for name in ("InputFilter", "OutputFilter")):
        raise invalid("The simulator has no InputFilter and no OutputFilter.")


def _missing(name: str) -> ApiError:
    return missing(f"requested job with name: {name}")
