"""What SageMaker is asked for: a CreateTrainingJob request from a connection's settings.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTrainingJob.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.aws.training_request import TrainingRequest
from airflow_mlops.core.errors import PlatformError

#: Where a container finds its checkpoints, and leaves them.
CHECKPOINTS = "/opt/ml/checkpoints"
#: How often SageMaker tries again when the fault is its own; max_runtime holds for all tries together.
_RETRIES = 3
#: What a tag's value must not hold.
_NO_TAG = re.compile(r"[^\w .:/=+\-@]")


def role_of(settings: SageMaker) -> str:
    """The execution role of training jobs. :raises PlatformError: if the connection names none."""
    role = settings.training.role_arn or settings.role_arn
    if role is None:
        raise PlatformError(
            "SageMaker needs a role to run jobs with",
            given="no role_arn",
            expected="arn:aws:iam::<account>:role/<name>",
            remedy="set sagemaker.role_arn of the mlops connection",
        )
    return role


def job_request(
    name: str,
    settings: SageMaker,
    request: TrainingRequest,
    *,
    model: str,
    image: str,
    code: str,
    region: str,
    checkpoints: str,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """The parameters of CreateTrainingJob.

    :param code: URI of the archive with our code.
    :param checkpoints: URI below which spot training keeps its checkpoints.
    :param environment: of the container; holds no secret.
    :raises PlatformError: if the connection names no role.
    """
    jobs = settings.training
    asked = {
        "TrainingJobName": name,
        "RoleArn": role_of(settings),
        "AlgorithmSpecification": {"TrainingImage": image, "TrainingInputMode": "File"},
        "HyperParameters": {**_of_container(name, code, region), **request.hyperparameters()},
        "OutputDataConfig": {"S3OutputPath": f"{request.store}/sagemaker/output"},
        "ResourceConfig": {
            "InstanceType": jobs.instance_type,
            "InstanceCount": jobs.instances,
            "VolumeSizeInGB": jobs.volume_gb,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": int(jobs.max_runtime.total_seconds()) or 1},
        "RetryStrategy": {"MaximumRetryAttempts": _RETRIES},
        "Tags": _tags(settings, model, request.run),
    }
    if environment:
        asked["Environment"] = dict(environment)
    _add_spot(asked, settings, checkpoints)
    _add_protection(asked, settings)
    return asked


def _of_container(name: str, code: str, region: str) -> dict[str, str]:
    """What SageMaker's training toolkit wants to know in script mode; values as JSON, as its SDK writes them."""
    given = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": code,
        "sagemaker_job_name": name,
        "sagemaker_region": region,
    }
    return {**{key: json.dumps(value) for key, value in given.items()}, "sagemaker_container_log_level": "20"}


def _add_spot(asked: dict[str, Any], settings: SageMaker, checkpoints: str) -> None:
    jobs = settings.training
    if not jobs.spot:
        return
    asked["EnableManagedSpotTraining"] = True
    wait = jobs.max_wait or jobs.max_runtime
    asked["StoppingCondition"]["MaxWaitTimeInSeconds"] = int(wait.total_seconds()) or 1
    asked["CheckpointConfig"] = {"S3Uri": checkpoints, "LocalPath": CHECKPOINTS}


def _add_protection(asked: dict[str, Any], settings: SageMaker) -> None:
    if settings.kms_key:
        asked["OutputDataConfig"]["KmsKeyId"] = settings.kms_key
        asked["ResourceConfig"]["VolumeKmsKeyId"] = settings.kms_key
    if settings.network:
        asked["VpcConfig"] = {
            "Subnets": list(settings.network.subnets),
            "SecurityGroupIds": list(settings.network.security_groups),
        }


def _tags(settings: SageMaker, model: str, run: str) -> list[dict[str, str]]:
    """The connection's tags, and what a bill may be split by."""
    ours = {"airflow-mlops:model": model, "airflow-mlops:run": run}
    return [
        {"Key": key, "Value": _NO_TAG.sub("_", value)[:256]}
        for key, value in {**ours, **settings.tags}.items()
    ]
