"""Training jobs: the operations."""

from __future__ import annotations

import copy
from typing import Any

from airflow_mlops.testing.sagemaker import objects
from airflow_mlops.testing.sagemaker.api import ApiError, invalid, operation
from airflow_mlops.testing.sagemaker.listing import chosen, only, page
from airflow_mlops.testing.sagemaker.objects import DataError
from airflow_mlops.testing.sagemaker.records import Record, Records
from airflow_mlops.testing.sagemaker.simulator import Simulator
from airflow_mlops.testing.sagemaker.tags import Tags
from airflow_mlops.testing.sagemaker.training_run import TrainingRun

_DAY = 86_400
_SUMMARY = (
    "TrainingJobName",
    "TrainingJobArn",
    "CreationTime",
    "TrainingEndTime",
    "LastModifiedTime",
    "TrainingJobStatus",
    "SecondaryStatus",
)


class TrainingJobs:
    """The room: all jobs, and those that run."""

    def __init__(self, simulator: Simulator) -> None:
        self.records = Records(simulator)
        self.runs: dict[str, TrainingRun] = {}

    def stop(self) -> None:
        """End every process."""
        for run in self.runs.values():
            run.close()


@operation("sagemaker", "CreateTrainingJob")
def create_training_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Names are unique for ever: jobs can't be deleted."""
    jobs, name = simulator.room(TrainingJobs), params["TrainingJobName"]
    arn = simulator.arn("training-job", name)
    if name in jobs.records:
        raise ApiError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with this "
            f"name already exists ({arn})",
        )
    request = copy.deepcopy(params)
    request.setdefault("StoppingCondition", {}).setdefault("MaxRuntimeInSeconds", _DAY)
    _check(simulator, request)
    simulator.room(Tags).register(arn, request.pop("Tags", None))
    run = TrainingRun(simulator, jobs.records, _record(simulator, request, arn), request)
    jobs.runs[name] = run
    run.start()
    return {"TrainingJobArn": arn}


@operation("sagemaker", "DescribeTrainingJob")
def describe_training_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """How the job is."""
    found = simulator.room(TrainingJobs).records.seen(params["TrainingJobName"])
    if found is None:
        # ValidationException, although the API documents ResourceNotFound: https://github.com/boto/boto3/issues/2808
        raise invalid("Requested resource not found.")
    return found


@operation("sagemaker", "ListTrainingJobs")
def list_training_jobs(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """A page of jobs."""
    found = chosen(
        simulator.room(TrainingJobs).records.all_seen(),
        params,
        name="TrainingJobName",
        status="TrainingJobStatus",
    )
    shown, more = page(found, params, lambda one: only(one, *_SUMMARY))
    return {"TrainingJobSummaries": shown, **more}


@operation("sagemaker", "StopTrainingJob")
def stop_training_job(simulator: Simulator, params: dict[str, Any]) -> dict[str, Any]:
    """Ask a job to end; a job that stops already is asked in vain, without an error."""
    jobs = simulator.room(TrainingJobs)
    record = jobs.records.get(params["TrainingJobName"])
    if record is None:
        raise invalid("Requested resource not found.")
    status = record["TrainingJobStatus"]
    if status not in {"InProgress", "Stopping"}:
        raise invalid(f"The request was rejected because the training job is in status {status}.")
    jobs.runs[params["TrainingJobName"]].stop()
    return {}


def _record(simulator: Simulator, request: dict[str, Any], arn: str) -> Record:
    now = simulator.clock.now()
    output = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    artifacts = f"{output}/{request['TrainingJobName']}/output/model.tar.gz"
    return {
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **copy.deepcopy(request),
        "TrainingJobArn": arn,
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [],
        "ModelArtifacts": {"S3ModelArtifacts": artifacts},
        "CreationTime": now,
        "LastModifiedTime": now,
    }


def _check(simulator: Simulator, request: dict[str, Any]) -> None:
    """What botocore's model can't say. :raises ApiError: as AWS does."""
    algorithm, machines = request["AlgorithmSpecification"], request.get("ResourceConfig", {})
    if "TrainingImage" not in algorithm and "AlgorithmName" not in algorithm:
        raise invalid("You must specify either TrainingImage or AlgorithmName in AlgorithmSpecification.")
    if not machines.get("InstanceType") or not machines.get("InstanceCount"):
        raise invalid("ResourceConfig must have InstanceType and InstanceCount.")
    check_role(simulator, request["RoleArn"])
    _check_waiting(request)
    for channel in request.get("InputDataConfig", ()):
        if source := channel["DataSource"].get("S3DataSource"):
            check_data(simulator, source["S3Uri"], request["RoleArn"])


def _check_waiting(request: dict[str, Any]) -> None:
    condition = request["StoppingCondition"]
    wait, run = condition.get("MaxWaitTimeInSeconds"), condition["MaxRuntimeInSeconds"]
    if request.get("EnableManagedSpotTraining"):
        if wait is None or wait < run:
            raise invalid(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )


def check_role(simulator: Simulator, role: str) -> None:
    """:raises ApiError: if the role is another account's."""
    if role.split(":")[4] != simulator.account:
        raise invalid("RoleArn: Cross-account pass role is not allowed.")


def check_data(simulator: Simulator, uri: str, role: str = "") -> None:
    """:raises ApiError: if nothing lies below the URI, as CreateTrainingJob and CreateTransformJob say it."""
    try:
        if next(iter(objects.keys_below(simulator.s3(), uri)), None) is not None:
            return
    except DataError:
        pass
    bucket = objects.split_uri(uri)[0]
    raise invalid(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
        f"in the selected region ({simulator.region}), that objects exist under that S3 prefix, and that the role "
        f'"{role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
    )
