"""Versions in SageMaker's model registry: mirrored once, followed in their approval, never in the way of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import MlopsError, RegistryError
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.sagemaker_mirror import Mirror, mirror_log
from airflow_mlops.core.registry.sagemaker_package import Container
from airflow_mlops.core.registry.standing import note_refusal
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.testing.sagemaker.faults import Fault
from tests.core.aws.world import World, simulated
from tests.core.registry.world import MODEL, register

HOUR = timedelta(hours=1)
GROUP = "mlops-orders"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-xgboost:3.0-5"


@pytest.fixture(scope="module")
def running() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.fixture
def store(running: World, request: pytest.FixtureRequest) -> Store:
    return open_store(f"s3://{running.bucket}/{request.node.name.replace('[', '-').strip(']')}", running.s3)


@pytest.fixture
def sagemaker(running: World, store: Store) -> Any:
    """The client, in an account without a registry."""
    client = running.aws.client("sagemaker")
    yield client
    for one in client.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]:
        client.delete_model_package(ModelPackageName=one["ModelPackageArn"])
    client.delete_model_package_group(ModelPackageGroupName=GROUP)
    client.delete_model_card(ModelCardName=GROUP)


def container(number: int, record: ModelVersion) -> Container:
    return Container(IMAGE, f"s3://models/{record.model}/{number}/model.tar.gz", {"A": "b"})


@pytest.fixture
def mirror(running: World, store: Store, sagemaker: Any) -> Mirror:
    settings = SageMaker(tags={"team": "ops"})
    return Mirror(aws=running.aws, settings=settings, store=store, model=MODEL, containers=container)


def release(store: Store, number: int, why: str = "proved") -> None:
    """Register a version and promote it."""
    register(store, f"model {number}", f"r{number}")
    log = DeploymentLog(store, MODEL)
    if number > 1:
        log.challenge(number, weight=0.1, lease=HOUR, who="ann", why="canary", run=f"r{number}")
    log.promote(number, who="ann", why=why, run=f"r{number}")


def packages(sagemaker: Any) -> list[dict[str, Any]]:
    """All packages with their details, by their versions there."""
    listed = sagemaker.list_model_packages(ModelPackageGroupName=GROUP)["ModelPackageSummaryList"]
    found = [sagemaker.describe_model_package(ModelPackageName=one["ModelPackageArn"]) for one in listed]
    return sorted(found, key=lambda one: int(one["ModelPackageVersion"]))


def approvals(sagemaker: Any) -> list[tuple[str, str | None]]:
    return [(one["ModelApprovalStatus"], one.get("ApprovalDescription")) for one in packages(sagemaker)]


def test_a_registered_version_waits_for_approval(mirror: Mirror, sagemaker: Any, store: Store) -> None:
    number, record = register(store)
    arn = mirror.follow(number)
    (found,) = packages(sagemaker)
    assert (found["ModelPackageArn"], found["ModelApprovalStatus"]) == (arn, "PendingManualApproval")
    (served,) = found["InferenceSpecification"]["Containers"]
    assert (served["Image"], served["ModelDataUrl"]) == (IMAGE, "s3://models/orders/1/model.tar.gz")
    assert found["CustomerMetadataProperties"] == {
        "mlops_model": "orders",
        "mlops_version": "1",
        "mlops_dataset": "orders@d1",
        "mlops_run": "release/r1",
        "mlops_artifact": record.trained.artifact,
        "mlops_created_by": "ann",
    }
    metrics = found["ModelMetrics"]["ModelQuality"]["Statistics"]["S3Uri"].removeprefix(f"{store.uri}/")
    assert json.loads(store.read(metrics))["binary_classification_metrics"]["auc"]["value"] == 0.5
    card = sagemaker.describe_model_card(ModelCardName=GROUP)
    assert (card["ModelCardStatus"], card["ModelCardVersion"]) == ("PendingReview", 1)
    assert json.loads(card["Content"])["model_overview"]["model_version"] == 1


def test_approval_follows_the_deployment_log(mirror: Mirror, sagemaker: Any, store: Store) -> None:
    release(store, 1, "first version")
    mirror.follow(1)
    assert approvals(sagemaker) == [("Approved", "first version")]
    release(store, 2)
    mirror.follow(2)
    DeploymentLog(store, MODEL).rollback(to=None, who="bob", why="complaints\nof customers", run="b1")
    mirror.follow(2)
    assert approvals(sagemaker) == [
        ("Approved", "complaints of customers"),
        ("Rejected", "complaints of customers"),
    ]
    card = sagemaker.describe_model_card(ModelCardName=GROUP)
    assert card["ModelCardStatus"] == "Approved"
    assert json.loads(card["Content"])["model_overview"]["model_version"] == 1


def test_a_refused_release_is_rejected_with_its_reason(mirror: Mirror, sagemaker: Any, store: Store) -> None:
    register(store)
    mirror.follow(1)
    note_refusal(store, MODEL, 1, "nobody approved it")
    mirror.follow(1)
    assert approvals(sagemaker) == [("Rejected", "nobody approved it")]


def test_again_changes_nothing(mirror: Mirror, sagemaker: Any, store: Store, running: World) -> None:
    release(store, 1)
    mirror.follow(1)
    done = mirror_log(store, MODEL).last_number()
    card = sagemaker.describe_model_card(ModelCardName=GROUP)["ModelCardVersion"]
    running.sagemaker.order(Fault("error", "CreateModelPackage", times=1))
    assert mirror.follow(1) == mirror.follow(1)
    running.sagemaker.simulator.faults.waiting.clear()
    assert len(packages(sagemaker)) == 1
    assert mirror_log(store, MODEL).last_number() == done
    assert sagemaker.describe_model_card(ModelCardName=GROUP)["ModelCardVersion"] == card


def test_whoever_dies_before_noting_the_package_makes_no_second_one(
    mirror: Mirror, sagemaker: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(store)
    with monkeypatch.context() as killed:
        killed.setattr(Mirror, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            mirror.follow(1)
    assert mirror_log(store, MODEL).last_number() == 0
    assert len(packages(sagemaker)) == 1
    assert mirror.follow(1) == packages(sagemaker)[0]["ModelPackageArn"]
    assert len(packages(sagemaker)) == 1


def test_what_a_failure_left_out_is_caught_up(
    mirror: Mirror, sagemaker: Any, store: Store, running: World
) -> None:
    release(store, 1)
    mirror.follow(1)
    release(store, 2, "second")
    running.sagemaker.order(
        Fault("error", "CreateModelPackage", code="AccessDeniedException", message="no", times=1)
    )
    with pytest.raises(MlopsError, match="create the model package of version 2"):
        mirror.follow(2)
    assert len(packages(sagemaker)) == 1
    release(store, 3, "third")
    mirror.follow(3)
    assert [reason for _, reason in approvals(sagemaker)] == ["proved", "second", "third"]


def test_a_package_that_somebody_deleted_is_made_anew(mirror: Mirror, sagemaker: Any, store: Store) -> None:
    register(store)
    first = mirror.follow(1)
    sagemaker.delete_model_package(ModelPackageName=first)
    DeploymentLog(store, MODEL).promote(1, who="ann", why="first version", run="r1")
    second = mirror.follow(1)
    assert second != first
    assert [(one["ModelPackageArn"], one["ModelApprovalStatus"]) for one in packages(sagemaker)] == [
        (second, "Approved")
    ]


def test_a_version_that_is_not_there(mirror: Mirror, sagemaker: Any, store: Store) -> None:
    register(store)
    mirror.follow(1)
    with pytest.raises(RegistryError, match="has no version 7"):
        mirror.follow(7)
