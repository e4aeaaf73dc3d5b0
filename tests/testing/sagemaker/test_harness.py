"""The simulator as users of the package start it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.testing.sagemaker.faults import Fault
from airflow_mlops.testing.sagemaker.harness import SageMakerSimulator


def test_clients_find_it_by_the_environment_alone(world, monkeypatch):
    import boto3

    for name, value in world.sagemaker.env().items():
        monkeypatch.setenv(name, value)
    assert boto3.session.Session().client("sts").get_caller_identity()["Account"] == "123456789012"
    assert world.bucket in [b["Name"] for b in boto3.session.Session().client("s3").list_buckets()["Buckets"]]


def test_time_can_be_moved_on(world):
    before = world.sagemaker.now()
    world.sagemaker.advance(timedelta(hours=3))
    assert world.sagemaker.now() - before >= timedelta(hours=3)


def test_a_fault_hits_the_next_call_only(world):
    world.sagemaker.order(Fault("error", "GetCallerIdentity", code="ExpiredToken", message="expired"))
    sts = world.aws.client("sts")
    with pytest.raises(sts.exceptions.ClientError, match="expired"):
        sts.get_caller_identity()
    assert sts.get_caller_identity()["Account"] == "123456789012"


def test_outside_of_its_with_statement_it_says_so():
    with pytest.raises(RuntimeError, match="with statement"):
        _ = SageMakerSimulator("http://127.0.0.1:9").url
