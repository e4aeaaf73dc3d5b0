"""Tasks of a release keep SageMaker's model registry in step, and go on when they can't."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.core.serving.sagemaker.version_model import ensure_model
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.operators.base import Work
from airflow_mlops.operators.mirroring import mirror
from airflow_mlops.operators.retention import PruneOperator
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
    operator: ReconcileOperator, running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = work_of(running, "failure", sagemaker={"prefix": "failure"})
    registered(work.store)
    running.sagemaker.order(Fault("error", "CreateModelPackageGroup", code="AccessDeniedException", times=1))
    said: list[tuple[object, ...]] = []
    log = SimpleNamespace(warning=lambda *line: said.append(line), info=lambda *line: None)
    with monkeypatch.context() as patch:
        patch.setattr(ReconcileOperator, "log", log)
        mirror(operator, work, 1, refused="nobody approved it")
    assert len(said) == 1
    assert "create the model package group of orders" in str(said[0][-1])
    mirror(operator, work, 1)
    assert approvals(running, "failure-orders") == [("Rejected", "nobody approved it")]


def test_pruning_deletes_there_what_no_kept_version_needs(
    running: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(Cleaner.__init__.__kwdefaults__, "now", running.sagemaker.now)
    hosting = {"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"}
    role = "arn:aws:iam::123456789012:role/mlops"
    given = {"prefix": "prune", "role_arn": role, "hosting": hosting}
    work = work_of(running, "prune", sagemaker=given)
    kept = spec(retention={"models": 1})
    for number in (1, 2):
        lock = put_bytes(work.store, b"numpy==2.2.6\nxgboost==3.0.5\n")
        made = trained(work.store, f"model {number}", environment=lock)
        register(work.store, run=f"r{number}", trained=made, spec=kept)
    aws, settings = work.platform.require_aws("serving")
    _, new = (ensure_model(aws, settings, work.store, MODEL, number) for number in (1, 2))
    running.sagemaker.advance(timedelta(hours=2))
    PruneOperator(task_id="prune", spec=kept).work(replace(work, spec=kept), {})
    left = aws.client("sagemaker").list_models(NameContains="prune-")["Models"]
    assert [one["ModelName"] for one in left] == [new]


def test_nothing_is_mirrored_elsewhere(operator: ReconcileOperator, running: World) -> None:
    work = work_of(running, "off", sagemaker={"prefix": "off", "registry": False})
    registered(work.store)
    mirror(operator, work, 1)
    local = work_of(running, "off", endpoint="http://127.0.0.1:1", sagemaker={"prefix": "off"})
    mirror(operator, local, 1)
    groups = running.aws.client("sagemaker").list_model_package_groups(NameContains="off-")
    assert groups["ModelPackageGroupSummaryList"] == []
