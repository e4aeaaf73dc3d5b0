"""Our own training in real jobs: what it leaves is what a training right here leaves, byte for byte."""

from __future__ import annotations

import pytest

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.store.blobs import get_bytes
from airflow_mlops.testing.sagemaker import Fault
from tests.core.training.sagemaker_world import Jobs
from tests.core.training.world import spec_of

pytestmark = [pytest.mark.s3, pytest.mark.slow]


def test_one_machine_gives_the_same_bytes_as_none(jobs: Jobs) -> None:
    jobs.spec = spec_of(
        features={
            "columns": ["amount", "country", "express", "ordered"],
            "function": "tests.core.training.order_features:good",
        }
    )
    job = jobs.start()
    jobs.wait(job)
    found, _ = jobs.training().collect(job, jobs.version)
    here = jobs.trained_here()
    assert found.artifact == here.artifact
    assert get_bytes(jobs.store, found.artifact) == get_bytes(jobs.store, here.artifact)
    assert (found.code, found.signature, found.rounds) == (here.code, here.signature, here.rounds)
    assert any("round 12 of 12" in line for line in jobs.said), jobs.said


def test_two_machines_train_one_model(jobs: Jobs) -> None:
    job = jobs.start(instances=2)
    jobs.wait(job)
    found, status = jobs.training().collect(job, jobs.version)
    assert status.instances == 2
    assert found.rounds == 12
    # Each machine counts the rows of its shard only while it trains: the record is of all.
    assert found.train_rows == jobs.trained_here().train_rows
    assert {line.split("]")[0] for line in jobs.said if line.startswith("[algo")} == {"[algo-1", "[algo-2"}


def test_a_training_that_lost_its_spot_machine_gives_the_same_bytes(jobs: Jobs) -> None:
    jobs.spec = spec_of(training={"rounds": 400, "params": {"max_depth": 3}})
    jobs.aws.sagemaker.order(Fault(kind="interrupted"))
    job = jobs.start(spot=True, max_runtime="1h", max_wait="2h")
    jobs.wait(job)
    found, status = jobs.training().collect(job, jobs.version, progress=jobs.said.append)
    assert "Interrupted" in {one.status for one in status.changes}
    assert any("spot capacity was taken back" in line for line in jobs.said)
    assert found.artifact == jobs.trained_here().artifact
    assert status.billable_seconds < status.seconds


def test_a_mistake_of_the_user_is_told_in_our_own_line(jobs: Jobs) -> None:
    jobs.spec = spec_of(training={"rounds": 5, "params": {"max_dept": 3}})
    job = jobs.start()
    jobs.wait(job)
    with pytest.raises(TrainingError, match=r"does not know a parameter in training\.params; given max_dept"):
        jobs.training().collect(job, jobs.version)
