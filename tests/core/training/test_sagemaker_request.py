"""What SageMaker is asked for fits its model, says all that the connection says, and holds no secret."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.session import get_session
from botocore.validate import ParamValidator

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.aws.training_request import TrainingRequest
from airflow_mlops.core.errors import PlatformError, TrainingError
from airflow_mlops.core.training.sagemaker.request import job_request

ROLE = "arn:aws:iam::123456789012:role/mlops"
REQUEST = TrainingRequest(
    store="s3://b/store",
    data="s3://b/data",
    spec="12e3" * 16,
    code="",
    dataset="orders",
    dataset_id="0" * 64,
    run="orders.release/manual__2024-01-01T00:00:00+00:00/train#0",
)


def asked(environment: dict[str, str] | None = None, **settings: Any) -> dict[str, Any]:
    request = job_request(
        "mlops-orders-1",
        SageMaker(**{"role_arn": ROLE, **settings}),
        REQUEST,
        model="orders",
        image="123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5",
        code="s3://b/store/sagemaker/code/sourcedir.tar.gz",
        region="eu-central-1",
        checkpoints="s3://b/store/sagemaker/checkpoints/mlops-orders-1",
        environment=environment or {},
    )
    shape = get_session().get_service_model("sagemaker").operation_model("CreateTrainingJob").input_shape
    report = ParamValidator().validate(request, shape)
    assert not report.has_errors(), report.generate_report()
    return request


def test_the_least_is_one_machine_for_a_day() -> None:
    request = asked()
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.m5.xlarge",
        "InstanceCount": 1,
        "VolumeSizeInGB": 30,
    }
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 24 * 3600}
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://b/store/sagemaker/output"}
    assert request["RoleArn"] == ROLE
    for absent in ("EnableManagedSpotTraining", "CheckpointConfig", "VpcConfig", "Environment"):
        assert absent not in request


def test_spot_waits_and_keeps_checkpoints() -> None:
    jobs = {"spot": True, "max_runtime": "1h", "max_wait": "3h", "instances": 3}
    request = asked(training=jobs)
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 3 * 3600}
    assert request["CheckpointConfig"] == {
        "S3Uri": "s3://b/store/sagemaker/checkpoints/mlops-orders-1",
        "LocalPath": "/opt/ml/checkpoints",
    }
    assert request["ResourceConfig"]["InstanceCount"] == 3


def test_spot_without_a_wait_waits_as_long_as_it_may_run() -> None:
    limits = asked(training={"spot": True, "max_runtime": timedelta(minutes=5)})["StoppingCondition"]
    assert limits == {"MaxRuntimeInSeconds": 300, "MaxWaitTimeInSeconds": 300}


def test_protection_of_the_connection() -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:key/1"
    network = {"subnets": ["subnet-1", "subnet-2"], "security_groups": ["sg-1"]}
    request = asked(kms_key=key, network=network)
    assert request["OutputDataConfig"]["KmsKeyId"] == key
    assert request["ResourceConfig"]["VolumeKmsKeyId"] == key
    assert request["VpcConfig"] == {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}


def test_tags_split_the_bill_and_hold_no_forbidden_sign() -> None:
    tags = {one["Key"]: one["Value"] for one in asked(tags={"team": "data", "note": "a#b"})["Tags"]}
    assert tags["team"] == "data"
    assert tags["note"] == "a_b"
    assert tags["airflow-mlops:model"] == "orders"
    assert tags["airflow-mlops:run"].startswith("orders.release/manual__2024-01-01T00:00:00+00:00/train")


def test_a_role_of_the_jobs_goes_before_the_common_one() -> None:
    own = "arn:aws:iam::123456789012:role/train"
    assert asked(training={"role_arn": own})["RoleArn"] == own


def test_without_a_role_the_field_is_named() -> None:
    with pytest.raises(PlatformError, match=r"sagemaker\.role_arn of the mlops connection"):
        asked(role_arn=None)


def test_a_custom_s3_goes_to_the_container() -> None:
    environment = {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9000"}
    assert asked(environment)["Environment"] == environment


def test_the_container_reads_what_was_written() -> None:
    given = asked()["HyperParameters"]
    # The toolkit decodes each value as JSON where it can.
    decoded = {name: json.loads(value) for name, value in given.items()}
    assert decoded["sagemaker_program"] == "train.py"
    assert decoded["sagemaker_submit_directory"].endswith("sourcedir.tar.gz")
    assert TrainingRequest.from_hyperparameters(decoded) == REQUEST
    assert TrainingRequest.from_hyperparameters(given) == REQUEST


def test_hyperparameters_of_somebody_else_are_no_request() -> None:
    with pytest.raises(TrainingError, match="mlops_store"):
        TrainingRequest.from_hyperparameters({"max_depth": "3"})
