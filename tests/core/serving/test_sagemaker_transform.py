"""Batch predictions: every row has the answer that the model gives itself, however often the batch is begun."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import EndpointError, KeyExists, RequestError
from airflow_mlops.core.serving.sagemaker_transform import (
    BatchTransform,
    TransformState,
    require_completed,
    transform_request,
)
from airflow_mlops.core.serving.transform_rows import (
    Staged,
    gather,
    input_prefix,
    output_prefix,
    read_predictions,
    stage,
)
from airflow_mlops.testing.sagemaker import Fault
from tests.core.serving.transform_world import Batch, batches
from tests.core.training import world as orders

pytestmark = pytest.mark.s3


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    folder = tmp_path_factory.mktemp("batch")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_MLOPS_CACHE", str(folder / "cache"))
        with batches(folder) as batch:
            yield batch


def ended(transform: BatchTransform, job: str) -> TransformState:
    """The state of a job that has ended."""
    until = time.monotonic() + 120
    while (state := transform.describe(job)).changing:
        assert time.monotonic() < until, state
        time.sleep(0.1)
    return state


def test_every_row_has_the_answer_of_the_model(batch: Batch) -> None:
    transform = batch.transform("whole")
    staged = batch.stage(transform.prefix)
    assert (staged.rows, staged.parts) == (1200, 3)
    first = transform.start(batch.model())
    assert transform.start(batch.model()).job == first.job
    require_completed(ended(transform, first.job))
    done = gather(batch.store, transform.prefix, staged)
    assert (done.version, done.rows, done.fallback_rows) == (1, 1200, 0)
    assert list(read_predictions(batch.store, transform.prefix)) == pytest.approx(batch.expected())
    assert not transform.stop(first.job), "it has ended"


def test_staging_goes_on_where_a_try_died(batch: Batch) -> None:
    made: list[str] = []

    class Dying:
        """A store whose process ends before the third object."""

        def __getattr__(self, name: str) -> Any:
            return getattr(batch.store, name)

        def create(self, key: str, data: bytes) -> None:
            if len(made) == 2:
                raise KeyboardInterrupt
            made.append(key)
            batch.store.create(key, data)

    with pytest.raises(KeyboardInterrupt):
        stage(Dying(), "died", 1, batch.record, batch.dataset)
    again = batch.stage("died")
    assert again.rows == 1200
    assert batch.stage("died") == again
    keys = [item.key for item in batch.store.list(f"{input_prefix('died')}/")]
    assert len(keys) == 3
    with pytest.raises(KeyExists):
        batch.store.create(made[0], b"")


def test_a_job_that_failed_is_followed_by_another(batch: Batch) -> None:
    transform = batch.transform("failing")
    batch.stage(transform.prefix)
    begun: list[str] = []
    batch.world.sagemaker.order(Fault("capacity", "CreateTransformJob"))
    first = transform.start(batch.model(), begins=begun.append)
    state = ended(transform, first.job)
    with pytest.raises(EndpointError, match=f"transform job {first.job} is Failed; given .*apacity"):
        require_completed(state)
    second = transform.start(batch.model(), begins=begun.append)
    assert begun == [first.job, first.job, second.job]
    assert second.job != first.job
    require_completed(ended(transform, second.job))


def test_a_cleared_task_has_a_job_and_a_place_of_its_own(batch: Batch) -> None:
    one = batch.transform("cleared")
    other = BatchTransform(one.aws, one.settings, one.store, one.model, one.run, attempt=1)
    assert one.prefix != other.prefix
    assert one.prefix == batch.transform("cleared").prefix


def test_an_answer_too_few_is_not_let_through(batch: Batch) -> None:
    staged = Staged(model="orders", version=1, dataset="orders", dataset_id="d", parts=1, rows=3)
    with pytest.raises(EndpointError, match=r"answer of the batch is missing; given no .*part-000000"):
        gather(batch.store, "few", staged)
    batch.store.create(f"{output_prefix('few')}/part-000000.json.out", b'{"predictions": [0.1, 0.2]}')
    with pytest.raises(EndpointError, match=r"are not complete; given 2 answers in .*; expected 3"):
        gather(batch.store, "few", staged)
    with pytest.raises(EndpointError, match="no finished batch"):
        list(read_predictions(batch.store, "few"))


def test_answers_of_the_fallback_rule_are_counted(batch: Batch) -> None:
    staged = Staged(model="orders", version=1, dataset="orders", dataset_id="d", parts=2, rows=3)
    for number, body in enumerate(
        (b'{"predictions": [1, 2], "mlops": {"variant": "fallback"}}', b'{"predictions": [3]}')
    ):
        batch.store.create(f"{output_prefix('rule')}/part-{number:06d}.json.out", body)
    assert gather(batch.store, "rule", staged).fallback_rows == 2
    assert list(read_predictions(batch.store, "rule")) == [1.0, 2.0, 3.0]


def test_a_row_that_the_model_does_not_take_is_named_before_it_costs(batch: Batch, tmp_path: Path) -> None:
    frame = orders.World(rows=20).frame()
    frame["amount"] = frame["amount"].astype(str)
    other = orders.make_version(batch.store, tmp_path, frame, batch.spec)
    with pytest.raises(RequestError, match="row 0, feature amount is no number"):
        stage(batch.store, "odd", 1, batch.record, other)


def test_the_request() -> None:
    settings = SageMaker(kms_key="key", transform={"instances": 2}, tags={"a": "b"})
    asked = transform_request(settings, "job", "model", "s3://bucket/place")
    assert asked["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://bucket/place/input/"
    assert asked["TransformOutput"]["KmsKeyId"] == asked["TransformResources"]["VolumeKmsKeyId"] == "key"
    assert asked["MaxConcurrentTransforms"] * asked["MaxPayloadInMB"] <= 100
    assert asked["Tags"] == [{"Key": "a", "Value": "b"}]
