"""Training jobs of one model: started once however often that is tried, followed, stopped, collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from airflow_mlops.core.aws.console import training_job_page
from airflow_mlops.core.aws.patience import Patience
from airflow_mlops.core.aws.steps import take
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import MlopsError, ServiceUnavailable, TrainingError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.training.features import FeatureSource
from airflow_mlops.core.training.sagemaker.following import Heard, Look, describe, look
from airflow_mlops.core.training.sagemaker.output import read_trained, require_blobs, why_ended
from airflow_mlops.core.training.sagemaker.starting import Starter, Task
from airflow_mlops.core.training.sagemaker.status import TrainingStatus, told
from airflow_mlops.core.training.sagemaker.stopping import stop

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.artifact import TrainedModel
    from airflow_mlops.spec import ModelSpec


class SageMakerTraining:
    """Trains one model in jobs.

    :param settings: those of this model.
    :param data_uri: root of the source data.
    :param environment: of the containers, beside the address of S3; holds no secret.
    :param program: gives the URI of the archive that the jobs run; None for our own code, put into the store.
    """

    def __init__(
        self,
        aws: Aws,
        settings: SageMaker,
        model: str,
        store: Store,
        data_uri: str,
        *,
        environment: Mapping[str, str] | None = None,
        program: Callable[[FeatureSource | None], str] | None = None,
    ) -> None:
        self._aws = aws
        self._model = model
        self._store = store
        self._starter = Starter(aws, settings, model, store, data_uri, environment or {}, program)

    def start(
        self,
        spec: ModelSpec,
        version: DatasetVersion,
        task: Task,
        *,
        progress: Progress = ignore,
        begins: Callable[[str], None] = ignore,
    ) -> str:
        """See that the task's job runs or has run; return its name. See :meth:`Starter.start`."""
        job = self._starter.start(spec, version, task, progress=progress, begins=begins)
        if address := self.link(job):
            progress(f"console: {address}")
        return job

    def describe(self, job: str) -> TrainingStatus:
        """The job as it is. :raises MlopsError: if SageMaker can't be asked, or knows no such job."""
        return take(self._aws.client, describe(job))

    def ended(self, job: str) -> bool:
        """Whether the job has ended, as far as SageMaker says now; one that was just made may not show yet."""
        try:
            return self.describe(job).ended
        except MlopsError:
            return False

    def look(self, job: str, heard: Heard | None = None) -> Look:
        """The job as it is, with its new states and log lines. :param heard: what the look before gave."""
        return take(self._aws.client, look(job, heard or Heard()))

    def stop(self, job: str) -> bool:
        """Ask a job to stop; whether there was one to stop. A job that spot capacity runs leaves a checkpoint.

        :raises MlopsError: if SageMaker refuses.
        """
        return take(self._aws.client, stop(job))

    def wait(
        self,
        job: str,
        heard: Heard | None = None,
        *,
        progress: Progress = ignore,
        sleep: Callable[[float], None] = time.sleep,
        until: Callable[[], bool] = lambda: False,
    ) -> TrainingStatus:
        """Look until the job has ended, and say what is new.

        :param until: is asked before each look; True ends the waiting.
        :raises ServiceUnavailable: if SageMaker can't be asked for a long time; the job goes on.
        """
        patience = Patience(f"training job {job}", progress)
        while True:
            try:
                found = self.look(job, heard)
            except MlopsError as error:
                patience.failed(error)
            else:
                patience.succeeded()
                heard = found.heard
                for line in found.lines:
                    progress(line)
                if found.status.ended or until():
                    return found.status
            sleep(patience.pause())

    def collect(
        self, job: str, version: DatasetVersion, *, progress: Progress = ignore
    ) -> tuple[TrainedModel, TrainingStatus]:
        """The model of a job that has ended, and how it ended.

        :raises TrainingError: if it ended without one, or left something else than what was asked for.
        """
        status = self.describe(job)
        if not status.ended:
            raise ServiceUnavailable(f"training job {job} has not ended", given=status.secondary)
        progress(told(status))
        if status.state != "Completed" or status.artifact is None:
            raise why_ended(self._store, status)
        trained = read_trained(self._store, status.artifact)
        if (trained.model, trained.dataset) != (self._model, version.id):
            raise TrainingError(
                f"training job {job} left another model",
                given=f"{trained.model} on {trained.dataset[:12]}",
                expected=f"{self._model} on {version.id[:12]}",
            )
        require_blobs(self._store, trained)
        return trained.model_copy(update={"job": job}), status

    def link(self, job: str) -> str | None:
        """The job's page in the console; None where SageMaker is not AWS's own."""
        return training_job_page(job, self._aws.region, self._aws.endpoint_url("sagemaker"))
