"""What others have written talks to the simulator unchanged: boto3's waiters, SageMaker's SDK, Airflow's hooks."""

from __future__ import annotations

import sys
import time

import pytest
from botocore.exceptions import WaiterError

from airflow_mlops.testing.sagemaker import Fault
from tests.testing.sagemaker.jobs import IMAGE, ROLE, describe, request, start

QUICKLY = {"Delay": 1, "MaxAttempts": 120}


@pytest.fixture
def environment(world, monkeypatch):
    """The environment in which every client finds the simulator by itself."""
    for name, value in world.sagemaker.env().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def fresh_sdk():
    """SageMaker's SDK keeps its clients for the life of the process, and each test has a simulator of its own."""
    import sagemaker.core.shapes  # noqa: F401 - resources can't be imported before shapes
    from sagemaker.core.utils.utils import SageMakerClient

    SageMakerClient.reset()
    yield
    SageMakerClient.reset()


class TestBoto3:
    def test_its_waiter_ends_with_the_job(self, world):
        start(world, "job", "pass")
        waiter = world.aws.client("sagemaker").get_waiter("training_job_completed_or_stopped")
        waiter.wait(TrainingJobName="job", WaiterConfig=QUICKLY)
        assert describe(world, "job")["TrainingJobStatus"] == "Completed"

    def test_its_waiter_says_when_a_job_has_failed(self, world):
        start(world, "job", "raise SystemExit(1)")
        waiter = world.aws.client("sagemaker").get_waiter("training_job_completed_or_stopped")
        with pytest.raises(WaiterError, match="terminal failure state"):
            waiter.wait(TrainingJobName="job", WaiterConfig=QUICKLY)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="SageMaker's SDK is not there for Python 3.12")
@pytest.mark.usefixtures("environment", "fresh_sdk")
class TestSageMakersSdk:
    def create(self, world, name, script):
        from sagemaker.core import shapes
        from sagemaker.core.resources import TrainingJob

        given = request(world, name, script)
        return TrainingJob.create(
            training_job_name=name,
            role_arn=ROLE,
            algorithm_specification=shapes.AlgorithmSpecification(
                training_image=IMAGE, training_input_mode="File"
            ),
            hyper_parameters=given["HyperParameters"],
            output_data_config=shapes.OutputDataConfig(s3_output_path=f"s3://{world.bucket}/out"),
            resource_config=shapes.ResourceConfig(
                instance_count=1, instance_type="ml.m5.large", volume_size_in_gb=30
            ),
            stopping_condition=shapes.StoppingCondition(max_runtime_in_seconds=3600),
        )

    def test_a_job_is_created_waited_for_and_found(self, world):
        from sagemaker.core.resources import TrainingJob

        job = self.create(world, "job", "print('hello')")
        job.wait(poll=1)
        found = TrainingJob.get("job")
        assert found.training_job_status == "Completed"
        assert found.model_artifacts.s3_model_artifacts == f"s3://{world.bucket}/out/job/output/model.tar.gz"
        assert [one.training_job_name for one in TrainingJob.get_all()] == ["job"]

    def test_a_failed_job_raises_with_the_reason(self, world):
        from sagemaker.core.utils.exceptions import FailedStatusError

        job = self.create(world, "job", "raise SystemExit(1)")
        with pytest.raises(FailedStatusError, match="ExecuteUserScriptError"):
            job.wait(poll=1)

    def test_groups(self, world):
        from sagemaker.core.resources import ModelPackageGroup

        ModelPackageGroup.create(model_package_group_name="group", model_package_group_description="text")
        found = ModelPackageGroup.get("group")
        assert found.model_package_group_description == "text"
        found.delete()
        assert list(ModelPackageGroup.get_all()) == []


class FastTime:
    """The module ``time``, but for a clock that is fifty times as fast."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def monotonic():
        return time.monotonic() * 50


@pytest.mark.usefixtures("environment")
class TestAirflowsHook:
    @pytest.fixture
    def hook(self, world, monkeypatch):
        from airflow.providers.amazon.aws.hooks import sagemaker

        # While it shows a log, the hook asks how the job is every 30 s.
        monkeypatch.setattr(sagemaker, "time", FastTime())
        return sagemaker.SageMakerHook(aws_conn_id=None, region_name=world.aws.region)

    def test_a_job_with_its_log(self, world, hook, caplog):
        caplog.set_level("INFO")
        answer = hook.create_training_job(
            request(world, "job", "print('trained well')"),
            wait_for_completion=True,
            print_log=True,
            check_interval=1,
        )
        assert answer["TrainingJobArn"].endswith(":training-job/job")
        assert hook.describe_training_job("job")["TrainingJobStatus"] == "Completed"

    def test_a_failed_job(self, world, hook):
        with pytest.raises(Exception, match="ExecuteUserScriptError"):
            hook.create_training_job(
                request(world, "job", "raise SystemExit(1)"), wait_for_completion=True, check_interval=1
            )

    def test_lists_through_pages(self, world, hook):
        for number in range(3):
            start(world, f"job-{number}", "pass")
        found = hook.list_training_jobs(name_contains="job-", max_results=2)
        assert len(found) == 2

    def test_a_group_is_made_once(self, hook):
        assert hook.create_model_package_group("group") is True
        assert hook.create_model_package_group("group") is False

    def test_throttled_lists_are_tried_again(self, world, hook):
        world.sagemaker.order(Fault("error", "ListTrainingJobs", times=2))
        assert hook.list_training_jobs() == []
