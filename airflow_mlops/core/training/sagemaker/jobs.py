"""Training jobs of one model: started once however often that is tried, followed, stopped, collected."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.console import training_job_page
from airflow_mlops.core.aws.errors import exists_already, is_missing
from airflow_mlops.core.aws.names import job_name
from airflow_mlops.core.aws.training_request import TrainingRequest
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import MlopsError, ServiceUnavailable, TrainingError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.training.environment import environment_lock
from airflow_mlops.core.training.features import FeatureSource, imports_of, source_of, store_source
from airflow_mlops.core.training.sagemaker.calls import take
from airflow_mlops.core.training.sagemaker.failure import failure_of
from airflow_mlops.core.training.sagemaker.following import Heard, Look, describe, look
from airflow_mlops.core.training.sagemaker.output import read_failure, read_trained, require_blobs
from airflow_mlops.core.training.sagemaker.patience import Patience
from airflow_mlops.core.training.sagemaker.request import job_request, role_of
from airflow_mlops.core.training.sagemaker.status import TrainingStatus, status_of, told
from airflow_mlops.core.training.sagemaker.stopping import stop

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store
    from airflow_mlops.core.training.artifact import TrainedModel
    from airflow_mlops.spec import ModelSpec

#: So many jobs may follow one another for one task, each after one that failed by no fault of the model.
_MOST_JOBS = 50


@dataclass(frozen=True)
class Task:
    """Who asks for a training.

    :param run: key of the Airflow run and task.
    :param attempt: how often a person has cleared the task.
    """

    run: str
    attempt: int = 0


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
        self._settings = settings
        self._model = model
        self._store = store
        self._data_uri = data_uri
        self._environment = dict(environment or {})
        self._program = program or self._our_code

    def start(
        self,
        spec: ModelSpec,
        version: DatasetVersion,
        task: Task,
        *,
        progress: Progress = ignore,
        begins: Callable[[str], None] = ignore,
    ) -> str:
        """See that the task's job runs or has run; return its name.

        The name follows from the task, so one that is tried again finds its job. Where that job was stopped or failed
        by no fault of the model, the next one takes its place.

        :param begins: is told a name before a job of that name is asked for.
        :raises FeatureError: if the feature code can't be read here.
        :raises TrainingError: if the task's job has failed, or the name is that of another job.
        :raises MlopsError: if SageMaker refuses.
        """
        role_of(self._settings)
        source = source_of(spec.features)
        request = self._request(spec, version, task, source)
        code = self._program(source)
        for number in range(_MOST_JOBS):
            name = self.job(task, number)
            begins(name)
            if self._created(name, request, code, self.job(task)):
                jobs = self._settings.training
                spot = " of spare capacity" if jobs.spot else ""
                progress(f"training job {name} started: {jobs.instances} x {jobs.instance_type}{spot}")
                self._say_link(name, progress)
                return name
            if self._usable(name, request, progress):
                self._say_link(name, progress)
                return name
        raise TrainingError(
            "too many training jobs of this task ended without a model",
            given=f"{_MOST_JOBS} jobs from {self.job(task)} on",
            remedy="clear the task to begin anew",
        )

    def job(self, task: Task, number: int = 0) -> str:
        """The name of a task's job. :param number: of the jobs that ended before it by no fault of the model."""
        again = f"+{number}" if number else ""
        return job_name(self._settings.prefix, self._model, f"{task.run}{again}", task.attempt)

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
        patience = Patience(progress)
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
            raise self._failure(status)
        trained = read_trained(self._store, status.artifact)
        if (trained.model, trained.dataset) != (self._model, version.id):
            raise TrainingError(
                f"training job {job} left another model",
                given=f"{trained.model} on {trained.dataset[:12]}",
                expected=f"{self._model} on {version.id[:12]}",
            )
        require_blobs(self._store, trained)
        return trained, status

    def link(self, job: str) -> str | None:
        """The job's page in the console; None where SageMaker is not AWS's own."""
        return training_job_page(job, self._aws.region, self._aws.endpoint_url("sagemaker"))

    def _failure(self, status: TrainingStatus) -> MlopsError:
        said = read_failure(self._store, status.output) if status.state == "Failed" else ""
        return failure_of(status, said)

    def _our_code(self, source: FeatureSource | None) -> str:
        from airflow_mlops.core.aws.bundle import code_uri
        from airflow_mlops.core.aws.requirements import PYTHON

        return code_uri(
            self._store,
            environment_lock(),
            imports_of(source) if source else (),
            # Which Python an image of one's own has is not known here.
            python=None if self._settings.training.image else PYTHON,
        )

    def _say_link(self, job: str, progress: Progress) -> None:
        if address := self.link(job):
            progress(f"console: {address}")

    def _request(
        self, spec: ModelSpec, version: DatasetVersion, task: Task, source: FeatureSource | None
    ) -> TrainingRequest:
        body = json.dumps(spec.to_dict(), sort_keys=True).encode()
        return TrainingRequest(
            store=self._store.uri,
            data=self._data_uri,
            spec=put_bytes(self._store, body),
            code=keep(self._store, store_source(self._store, source)) if source else "",
            dataset=version.name,
            dataset_id=version.id,
            run=f"{task.run}#{task.attempt}",
        )

    def _created(self, name: str, request: TrainingRequest, code: str, first: str) -> bool:
        """Create the job; False if the name is taken. :param first: of the task's jobs, which share checkpoints."""
        from airflow_mlops.core.aws.image import training_image

        s3 = self._aws.endpoint_url("s3")
        asked = job_request(
            name,
            self._settings,
            request,
            model=self._model,
            image=self._settings.training.image or training_image(self._aws.region),
            code=code,
            region=self._aws.region,
            checkpoints=f"{self._store.uri}/sagemaker/checkpoints/{first}",
            environment={**self._environment, **({"AWS_ENDPOINT_URL_S3": s3} if s3 else {})},
        )
        client = self._aws.client("sagemaker")
        made = call(
            client.create_training_job,
            asked,
            f"create training job {name}",
            kind=TrainingError,
            unless=exists_already,
        )
        return made is not None

    def _usable(self, name: str, request: TrainingRequest, progress: Progress) -> bool:
        """Whether the job that has the name is ours and may give a model.

        :raises TrainingError: if it is another's, or failed by a fault of the model.
        """
        status = self._ours(name, request)
        if not status.ended and status.state == "InProgress":
            progress(f"training job {name} is there already: {status.secondary}; going on with it")
            return True
        if status.state == "Completed":
            progress(f"training job {name} has completed already")
            return True
        failure = self._failure(status)
        if status.state == "Failed" and not isinstance(failure, ServiceUnavailable):
            raise failure
        progress(f"{failure}; the next job takes its place")
        return False

    def _ours(self, name: str, request: TrainingRequest) -> TrainingStatus:
        """The job that has the name. :raises TrainingError: if it is not for this request."""
        client = self._aws.client("sagemaker")
        found = call(
            client.describe_training_job,
            {"TrainingJobName": name},
            f"describe training job {name}",
            unless=is_missing,
        )
        if found is None:
            raise ServiceUnavailable(
                f"training job {name} is there, but SageMaker does not show it yet", remedy="try again"
            )
        try:
            theirs = TrainingRequest.from_hyperparameters(found.get("HyperParameters", {}))
        except TrainingError:
            theirs = None
        if theirs != request:
            raise TrainingError(
                f"the name {name} is taken by another training job",
                given=f"one of {theirs.run}" if theirs else "one that is not ours",
                expected=f"one of {request.run}, with the same spec, data and store",
                remedy="clear the task to train under another name, or set another sagemaker.prefix",
            )
        return status_of(found)
