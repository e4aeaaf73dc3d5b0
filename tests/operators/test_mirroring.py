"""Tasks of a release keep SageMaker's model registry in step, and go on when they can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.operators.base import Work
from airflow_mlops.operators.mirroring import mirror
from airflow_mlops.operators.rollout import ReconcileOperator
from airflow_mlops.platform import Platform
from airflow_mlops.testing.sagemaker.faults import Fault
from tests.core.aws.world import World, simulated
from tests.core.registry.world import MODEL, register, spec, trained

GROUP = "mlops-orders"


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    with simulated() as world:
        yield world


def work_of(running: World, prefix: str, **fields: Any) -> Work:
    """What a task works with, on SageMaker."""
    given = {"store": f"s3://{running.bucket}/{prefix}", "endpoint": "sagemaker", **fields}
    platform = Platform.from_fields(
        given, home=Path("/nowhere"), s3=lambda: running.s3, aws=lambda: running.aws
    )
    return Work(platform=platform, store=platform.store(), spec=spec(), run="release/r1", who="ann")


def registered(store: Store) -> None:
    """Version 1, of an environment that its container can be made of."""
    lock = put_bytes(store, b"numpy==2.2.6\nxgboost==3.0.5\n")
    register(store, trained=trained(store, environment=lock))


@pytest.fixture
def operator() -> ReconcileOperator:
    return ReconcileOperator(task_id="any", spec=spec())


def approvals(running: World, group: str = GROUP) -> list[tuple[str, str | None]]:
    client = running.aws.client("sagemaker")
    listed = client.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]
    found = [client.describe_model_package(ModelPackageName=one["ModelPackageArn"]) for one in listed]
    return [(one["ModelApprovalStatus"], one.get("ApprovalDescription")) for one in found]


def test_what_a_release_tells_the_registry(operator: ReconcileOperator, running: World) -> None:
    work = work_of(running, "release")
    registered(work.store)
    mirror(operator, work, 1)
    assert approvals(running) == [("PendingManualApproval", None)]
    mirror(operator, work, 1, refused="log_loss is above 0.4")
    assert approvals(running) == [("Rejected", "log_loss is above 0.4")]
    DeploymentLog(work.store, MODEL).promote(1, who="ann", why="proved", run="r1")
    mirror(operator, work)
    assert approvals(running) == [("Approved", "proved")]


def test_a_package_names_an_archive_that_is_there(operator: ReconcileOperator, running: World) -> None:
    work = work_of(running, "archive", sagemaker={"prefix": "archive"})
    registered(work.store)
    mirror(operator, work, 1)
    client = running.aws.client("sagemaker")
    (one,) = client.list_model_packages(ModelPackageGroupName="archive-orders")["ModelPackageSummaryList"]
    found = client.describe_model_package(ModelPackageName=one["ModelPackageArn"])
    uri = found["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    assert running.s3.head_object(Bucket=bucket, Key=key)["ContentLength"] > 0


def test_a_failure_is_a_warning_and_is_caught_up(
    operator: ReconcileOperator, running: World, capsys: pytest.CaptureFixture[str]
) -> None:
    work = work_of(running, "failure", sagemaker={"prefix": "failure"})
    registered(work.store)
    running.sagemaker.order(Fault("error", "CreateModelPackageGroup", code="AccessDeniedException", times=1))
    mirror(operator, work, 1, refused="nobody approved it")
    assert "registry is behind" in capsys.readouterr().out
    mirror(operator, work, 1)
    assert approvals(running, "failure-orders") == [("Rejected", "nobody approved it")]


def test_nothing_is_mirrored_elsewhere(operator: ReconcileOperator, running: World) -> None:
    work = work_of(running, "off", sagemaker={"prefix": "off", "registry": False})
    registered(work.store)
    mirror(operator, work, 1)
    local = work_of(running, "off", endpoint="http://127.0.0.1:1", sagemaker={"prefix": "off"})
    mirror(operator, local, 1)
    groups = running.aws.client("sagemaker").list_model_package_groups(NameContains="off-")
    assert groups["ModelPackageGroupSummaryList"] == []
