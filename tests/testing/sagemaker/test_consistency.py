"""SageMaker is eventually consistent, throttles, and may be told to fail."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError

from airflow_mlops.testing.sagemaker import Fault, Timing
from tests.core.aws.world import simulated


@pytest.fixture
def late(s3_server):
    """A world whose descriptions are a minute old."""
    with simulated(contextlib.nullcontext(s3_server), timing=Timing(lag=timedelta(minutes=1))) as world:
        yield world


def names(sagemaker):
    listed = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    return [one["ModelPackageGroupName"] for one in listed]


def test_what_was_made_shows_later_but_is_there(late):
    sagemaker = late.aws.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    with pytest.raises(ClientError, match="does not exist"):
        sagemaker.describe_model_package_group(ModelPackageGroupName="group")
    assert names(sagemaker) == []
    with pytest.raises(ClientError, match="already exists"):
        sagemaker.create_model_package_group(ModelPackageGroupName="group")
    late.sagemaker.advance(timedelta(minutes=1))
    assert names(sagemaker) == ["group"]


def test_what_was_deleted_shows_for_a_while(late):
    sagemaker = late.aws.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    late.sagemaker.advance(timedelta(minutes=1))
    sagemaker.delete_model_package_group(ModelPackageGroupName="group")
    assert names(sagemaker) == ["group"]
    late.sagemaker.advance(timedelta(minutes=1))
    assert names(sagemaker) == []


def test_changes_show_in_their_order(late):
    sagemaker = late.aws.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="group")
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="group", InferenceSpecification={"Containers": [{"Image": "image"}]}
    )["ModelPackageArn"]
    late.sagemaker.advance(timedelta(seconds=40))
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    late.sagemaker.advance(timedelta(seconds=40))

    def status():
        return sagemaker.describe_model_package(ModelPackageName=arn)["ModelApprovalStatus"]

    assert status() == "PendingManualApproval"
    late.sagemaker.advance(timedelta(seconds=30))
    assert status() == "Approved"


def test_throttling_hits_as_often_as_ordered_and_botocore_tries_again(world):
    sagemaker = world.aws.client("sagemaker")
    world.sagemaker.order(Fault("error", "ListModelPackageGroups", times=2))
    answer = sagemaker.list_model_package_groups()
    assert answer["ResponseMetadata"]["RetryAttempts"] == 2


def test_a_quota_is_an_error_with_its_own_code(world):
    sagemaker = world.aws.client("sagemaker")
    message = "The account-level service limit 'Number of model package groups' is 5000"
    world.sagemaker.order(
        Fault("error", "CreateModelPackageGroup", code="ResourceLimitExceeded", message=message)
    )
    with pytest.raises(sagemaker.exceptions.ResourceLimitExceeded, match="account-level service limit"):
        sagemaker.create_model_package_group(ModelPackageGroupName="group")
