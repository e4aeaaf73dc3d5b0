"""Jobs on a simulator: one for each attempt however often it is asked for, stopped, failed, collected."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_mlops.core.errors import ServiceUnavailable, TrainingError
from airflow_mlops.core.training.sagemaker.starting import Task
from airflow_mlops.testing.sagemaker import Fault, Timing
from tests.core.aws.killing import killed_at
from tests.core.training.sagemaker_world import FAIL, SLEEP, TASK, Jobs

pytestmark = pytest.mark.s3


class TestOneJob:
    def test_its_model_is_collected(self, jobs: Jobs) -> None:
        trained = jobs.trained_here()
        jobs.leaves(trained)
        job = jobs.start()
        status = jobs.wait(job)
        assert status.state == "Completed"
        found, ended = jobs.training().collect(job, jobs.version, progress=jobs.said.append)
        assert found == trained.model_copy(update={"job": job}), "the record says where it was trained"
        assert ended.billable_seconds is not None
        assert "[algo-1] training" in jobs.said
        assert f"training job {job} started: 1 x ml.m5.large" in jobs.said
        assert any(f"training job {job}: Completed after" in line for line in jobs.said)

    def test_who_tries_again_finds_it(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        first = jobs.start()
        assert jobs.start() == first
        assert jobs.names() == [first]
        assert any("is there already" in line for line in jobs.said)

    def test_who_tries_again_finds_it_completed(self, jobs: Jobs) -> None:
        jobs.leaves(jobs.trained_here())
        job = jobs.start()
        jobs.wait(job)
        assert jobs.start() == job
        assert jobs.names() == [job]

    @pytest.mark.parametrize("after", [False, True])
    def test_whoever_dies_at_any_call_leaves_one_job(self, jobs: Jobs, after: bool) -> None:
        jobs.script = SLEEP
        # No job gets as far as to call S3 itself: those calls would be cut off, too.
        jobs.aws.sagemaker.simulator.timing = Timing(step=timedelta(hours=1))
        number, cut = 0, True
        while cut:
            number += 1
            task = Task(f"orders.release/r{number}/train")
            with killed_at(number, after=after) as life:
                jobs.start(task)
            cut = life.cut
            job = jobs.start(task)
            assert jobs.names().count(job) == 1
            assert len(jobs.names()) == number
        assert number > 2

    def test_a_cleared_task_has_a_job_of_its_own(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        assert jobs.start() != jobs.start(Task(TASK.run, attempt=1))
        assert len(jobs.names()) == 2

    def test_another_job_of_the_name_is_not_taken_for_ours(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        training = jobs.training()
        name = training._starter.job(TASK)
        taken = dict.fromkeys(("mlops_store", "mlops_data"), '"elsewhere"')
        client = jobs.aws.aws.client("sagemaker")
        asked = client.describe_training_job(TrainingJobName=jobs.start(Task("other")))
        client.create_training_job(
            **{
                field: asked[field]
                for field in ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig")
            },
            TrainingJobName=name,
            HyperParameters={**asked["HyperParameters"], **taken},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        with pytest.raises(TrainingError, match=f"the name {name} is taken by another training job"):
            jobs.start()


class TestStopped:
    def test_a_try_after_it_has_a_new_job(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        job = jobs.start()
        jobs.until(job, "ready")
        assert jobs.training().stop(job)
        assert jobs.wait(job).secondary == "Stopped"
        with pytest.raises(TrainingError, match="was stopped by somebody"):
            jobs.training().collect(job, jobs.version)
        assert jobs.start() != job
        assert len(jobs.names()) == 2

    def test_there_is_nothing_to_stop(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        assert not jobs.training().stop("mlops-orders-nobody")
        job = jobs.start()
        assert jobs.training().stop(job)
        jobs.wait(job)
        assert not jobs.training().stop(job)

    def test_the_longest_run_time(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        job = jobs.start(max_runtime="1h")
        jobs.until(job, "ready")
        jobs.aws.sagemaker.advance(timedelta(hours=2))
        jobs.wait(job)
        with pytest.raises(TrainingError, match=r"raise sagemaker\.training\.max_runtime"):
            jobs.training().collect(job, jobs.version)
        with pytest.raises(TrainingError, match=r"raise sagemaker\.training\.max_runtime"):
            jobs.start()
        assert jobs.names() == [job], "the limit would be met again"


class TestFailed:
    def test_by_a_fault_of_the_model_it_says_our_own_line_and_is_not_tried_again(self, jobs: Jobs) -> None:
        jobs.script = FAIL
        job = jobs.start()
        jobs.wait(job)
        expected = f"training job {job} failed; given XGBoost refuses; given max_dept"
        with pytest.raises(TrainingError, match=expected):
            jobs.training().collect(job, jobs.version)
        with pytest.raises(TrainingError, match=expected):
            jobs.start()
        assert jobs.names() == [job]

    def test_without_a_line_of_ours_the_log_is_named(self, jobs: Jobs) -> None:
        jobs.script = "import sys; sys.exit(3)"
        job = jobs.start()
        jobs.wait(job)
        with pytest.raises(TrainingError, match=f"training job {job} failed"):
            jobs.training().collect(job, jobs.version)

    @pytest.mark.parametrize("kind", ["capacity", "internal"])
    def test_by_no_fault_of_the_model_the_next_try_has_a_new_job(self, jobs: Jobs, kind: str) -> None:
        jobs.leaves(jobs.trained_here())
        jobs.aws.sagemaker.order(Fault(kind=kind))
        job = jobs.start()
        jobs.wait(job)
        with pytest.raises(ServiceUnavailable, match=job):
            jobs.training().collect(job, jobs.version)
        again = jobs.start()
        assert again != job
        assert jobs.wait(again).state == "Completed"
        assert jobs.names() == [job, again]

    def test_a_model_of_other_data_is_not_taken(self, jobs: Jobs) -> None:
        jobs.leaves(jobs.trained_here().model_copy(update={"dataset": "f" * 64}))
        job = jobs.start()
        jobs.wait(job)
        with pytest.raises(TrainingError, match="left another model"):
            jobs.training().collect(job, jobs.version)

    def test_a_job_that_runs_has_no_model_yet(self, jobs: Jobs) -> None:
        jobs.script = SLEEP
        with pytest.raises(ServiceUnavailable, match="has not ended"):
            jobs.training().collect(jobs.start(), jobs.version)
