"""A small model that is trained on a simulator of SageMaker, and programs that stand in for its training."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.sagemaker.jobs import SageMakerTraining
from airflow_mlops.core.training.sagemaker.starting import Task
from airflow_mlops.core.training.sagemaker.status import TrainingStatus
from tests.core.aws.world import World as AwsWorld
from tests.core.training.world import World, make_version, spec_of

ROLE = "arn:aws:iam::123456789012:role/mlops"
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/own-xgboost:1"
TASK = Task("orders.release/r1/train")
#: Leaves the record of a model that was trained before.
LEAVE = """
import os, pathlib
print("training", flush=True)
pathlib.Path(os.environ["SM_MODEL_DIR"], "trained.json").write_text({record!r})
"""
SLEEP = "import time\nprint('ready', flush=True)\ntime.sleep(600)\n"
FAIL = """
import os, pathlib, sys
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "failure.txt").write_text("XGBoost refuses; given max_dept")
sys.exit(1)
"""


@dataclass
class Jobs:
    """Orders in a store on S3, and the jobs that train on them.

    :ivar script: what the next jobs run; None for our own code.
    :ivar said: lines of progress.
    """

    aws: AwsWorld
    store: Store
    version: DatasetVersion
    script: str | None = None
    said: list[str] = field(default_factory=list)
    spec: Any = field(default_factory=spec_of)

    def training(self, **jobs: Any) -> SageMakerTraining:
        settings = SageMaker(role_arn=ROLE, training={"instance_type": "ml.m5.large", "image": IMAGE, **jobs})
        program: Callable[[object], str] = lambda source: self._uploaded()  # noqa: E731
        return SageMakerTraining(
            self.aws.aws,
            settings,
            self.spec.name,
            self.store,
            f"s3://{self.aws.bucket}/data",
            program=program if self.script is not None else None,
        )

    def start(self, task: Task = TASK, **jobs: Any) -> str:
        return self.training(**jobs).start(self.spec, self.version, task, progress=self.said.append)

    def wait(self, job: str) -> TrainingStatus:
        return self.training().wait(job, progress=self.said.append, sleep=lambda seconds: time.sleep(0.05))

    def until(self, job: str, said: str) -> None:
        """Wait until the program has said a line, or the job has ended."""
        self.training().wait(
            job,
            progress=self.said.append,
            sleep=lambda seconds: time.sleep(0.05),
            until=lambda: any(said in line for line in self.said),
        )
        assert any(said in line for line in self.said), self.said

    def trained_here(self) -> TrainedModel:
        """The model as it is trained without a job."""
        return train(self.store, self.spec, self.version)

    def leaves(self, trained: TrainedModel) -> None:
        """Let the next jobs leave this record."""
        self.script = LEAVE.format(record=trained.model_dump_json())

    def names(self) -> list[str]:
        """All jobs that there are, the oldest first."""
        found = self.aws.aws.client("sagemaker").list_training_jobs(
            SortBy="CreationTime", SortOrder="Ascending"
        )
        return [one["TrainingJobName"] for one in found["TrainingJobSummaries"]]

    def _uploaded(self) -> str:
        held = io.BytesIO()
        body = (self.script or "").encode()
        with tarfile.open(fileobj=held, mode="w:gz") as tar:
            member = tarfile.TarInfo("train.py")
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
        self.aws.s3.put_object(Bucket=self.aws.bucket, Key="program.tar.gz", Body=held.getvalue())
        return f"s3://{self.aws.bucket}/program.tar.gz"


def orders(aws: AwsWorld, folder: Path) -> Jobs:
    store = open_store(f"s3://{aws.bucket}/store", aws.s3)
    return Jobs(aws, store, make_version(store, folder, World().frame(), spec_of()))
