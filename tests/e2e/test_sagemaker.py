"""The demo's story with the platform set to SageMaker: the same DAG file, by its connection alone.

A real Airflow, a real S3 server, and the simulator, whose jobs train and whose endpoints answer. It takes ten minutes
and runs with ``make sagemaker``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.demo.aws_stage import AwsStage, S3Access, raised_on_aws
from airflow_mlops.demo.story import MODEL, Act, Story
from tests.liveness import gone
from tests.servers import S3Server, ServerMissingError, radosgw

pytestmark = [pytest.mark.e2e, pytest.mark.whole, pytest.mark.s3, pytest.mark.timeout(1800)]
RELEASE = f"{MODEL}.release"
DAGS = Path(__file__).parents[2] / "dags"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    try:
        with radosgw() as server:
            yield server
    except ServerMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Iterator[AwsStage]:
    access = S3Access(s3.endpoint, s3.access_key, s3.secret_key, s3.region)
    with raised_on_aws(tmp_path_factory.mktemp("aws"), DAGS, access) as stage:
        yield stage
        living = stage.airflow.living()
    assert living
    assert [pid for pid in living if not gone(pid)] == []


@pytest.fixture(scope="module")
def story(stage: AwsStage) -> Story:
    story = Story(stage.airflow.rest, stage.grounds, print, rate=50.0)
    story.prepare()
    return story


@pytest.fixture(scope="module")
def store(stage: AwsStage) -> Store:
    return open_store(stage.store, stage.s3.client())


@pytest.fixture(scope="module")
def sagemaker(stage: AwsStage) -> Any:
    import boto3

    return boto3.session.Session().client(
        "sagemaker",
        endpoint_url=stage.endpoint,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
    )


def actions(store: Store) -> list[tuple[str, int | None, int | None]]:
    return [
        (one.action, one.champion, one.challenger) for _, one in DeploymentLog(store, MODEL).log.entries()
    ]


def weights(sagemaker: Any) -> dict[str, float]:
    """The live endpoint: the weight of each variant."""
    (endpoint,) = sagemaker.list_endpoints()["Endpoints"]
    live = sagemaker.describe_endpoint(EndpointName=endpoint["EndpointName"])
    assert live["EndpointStatus"] == "InService"
    return {one["VariantName"]: one["CurrentWeight"] for one in live["ProductionVariants"]}


def jobs(sagemaker: Any) -> list[str]:
    """The state of each training job there ever was."""
    found = sagemaker.list_training_jobs(MaxResults=100)["TrainingJobSummaries"]
    return [one["TrainingJobStatus"] for one in found]


def states(stage: AwsStage, act: Act) -> dict[str, str | None]:
    return {task.task_id: task.state for task in stage.airflow.rest.tasks(RELEASE, act.result["run_id"])}


def test_a_first_release_is_trained_by_a_job_and_served_by_an_endpoint(
    stage: AwsStage, story: Story, store: Store, sagemaker: Any
) -> None:
    story.first_release()
    record = Registry(store, MODEL).get(1)
    assert record.trained.framework == "xgboost"
    assert jobs(sagemaker) == ["Completed"]
    assert weights(sagemaker) == {"v1": 1.0}
    assert actions(store) == [("promote", 1, None)]


def test_b_a_broken_batch_trains_nothing(story: Story, sagemaker: Any) -> None:
    story.broken_batch()
    assert jobs(sagemaker) == ["Completed"]


def test_c_a_good_release_goes_through_shadow_and_canary(
    stage: AwsStage, story: Story, store: Store, sagemaker: Any
) -> None:
    act = story.good_release()
    assert set(states(stage, act).values()) == {"success"}
    assert actions(store)[1:] == [("shadow", 1, 2), ("canary", 1, 2), ("canary", 1, 2), ("promote", 2, None)]
    assert story.answers["v1"] > 0
    assert story.answers["v2"] > 0
    # The champion before stays warm, without traffic.
    assert weights(sagemaker) == {"v1": 0.0, "v2": 1.0}


def test_d_a_bad_model_is_stopped_in_shadow(story: Story, store: Store, sagemaker: Any) -> None:
    act = story.bad_release()
    assert act.result["gate"] == "brier"
    desired = DeploymentLog(store, MODEL).desired()
    assert (desired.mode, desired.champion) == ("champion", 2)
    assert weights(sagemaker)["v2"] == 1.0


def test_e_one_call_rolls_back(story: Story, sagemaker: Any) -> None:
    story.roll_back()
    assert weights(sagemaker)["v1"] == 1.0
    assert sum(weights(sagemaker).values()) == 1.0


def test_f_drift_starts_a_release_by_itself(story: Story, store: Store, sagemaker: Any) -> None:
    act = story.drift()
    assert act.result["kind"] == "asset_triggered"
    assert DeploymentLog(store, MODEL).champion() == 4
    assert weights(sagemaker)["v4"] == 1.0
    assert jobs(sagemaker) == ["Completed"] * 4


def test_g_what_a_job_trained_is_built_again_here(story: Story) -> None:
    assert story.build_again().result["outcome"] == "identical"


def test_no_live_request_failed(story: Story) -> None:
    assert not story.failures
    assert sum(story.answers.values()) > 3000


def test_no_secret_lies_in_logs_lineage_or_store(stage: AwsStage, story: Story, store: Store) -> None:
    secrets = (stage.s3.secret_key, stage.airflow.password)
    paths = [stage.lineage, *stage.home.glob("processes/*.log"), *stage.home.glob("logs/**/*.log")]
    for text in [path.read_text(errors="replace") for path in paths]:
        assert not any(secret in text for secret in secrets)
    for item in store.list("models/"):
        assert stage.s3.secret_key.encode() not in store.read(item.key)
