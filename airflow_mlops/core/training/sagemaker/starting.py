"""Starting the job of a task: once, however often that is tried, and by whoever dies meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import exists_already, is_missing
from airflow_mlops.core.aws.names import job_name
from airflow_mlops.core.aws.training_request import TrainingRequest
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import ServiceUnavailable, TrainingError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.results import keep
from airflow_mlops.core.training.environment import environment_lock
from airflow_mlops.core.training.features import FeatureSource, imports_of, source_of, store_source
from airflow_mlops.core.training.sagemaker.output import why_ended
from airflow_mlops.core.training.sagemaker.request import job_request, role_of
from airflow_mlops.core.training.sagemaker.status import TrainingStatus, status_of

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store
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


@dataclass(frozen=True)
class Starter:
    """Starts the jobs of one model.

    :param settings: those of this model.
    :param data_uri: root of the source data.
    :param environment: of the containers, beside the address of S3; holds no secret.
    :param program: gives the URI of the archive that the jobs run; None for our own code, put into the store.
    """

    aws: Aws
    settings: SageMaker
    model: str
    store: Store
    data_uri: str
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Callable[[FeatureSource | None], str] | None = None

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
        role_of(self.settings)
        source = source_of(spec.features)
        request = self._request(spec, version, task, source)
        code = self.program(source) if self.program else self._our_code(source, spec)
        for number in range(_MOST_JOBS):
            name = self.job(task, number)
            begins(name)
            if self._created(name, request, code, self.job(task)):
                jobs = self.settings.training
                spot = " of spare capacity" if jobs.spot else ""
                progress(f"training job {name} started: {jobs.instances} x {jobs.instance_type}{spot}")
                return name
            if self._usable(name, request, progress):
                return name
        raise TrainingError(
            "too many training jobs of this task ended without a model",
            given=f"{_MOST_JOBS} jobs from {self.job(task)} on",
            remedy="clear the task to begin anew",
        )

    def job(self, task: Task, number: int = 0) -> str:
        """The name of a task's job. :param number: of the jobs that ended before it by no fault of the model."""
        again = f"+{number}" if number else ""
        return job_name(self.settings.prefix, self.model, f"{task.run}{again}", task.attempt)

    def _our_code(self, source: FeatureSource | None, spec: ModelSpec) -> str:
        from airflow_mlops.core.aws.bundle import code_uri
        from airflow_mlops.core.aws.requirements import PYTHON

        resampling = spec.training.augmentation
        synthetic = ("imblearn",) if resampling and resampling.method == "smote" else ()
        return code_uri(
            self.store,
            environment_lock(),
            (*(imports_of(source) if source else ()), *synthetic),
            # Which Python an image of one's own has is not known here.
            python=None if self.settings.training.image else PYTHON,
        )

    def _request(
        self, spec: ModelSpec, version: DatasetVersion, task: Task, source: FeatureSource | None
    ) -> TrainingRequest:
        body = json.dumps(spec.to_dict(), sort_keys=True).encode()
        return TrainingRequest(
            store=self.store.uri,
            data=self.data_uri,
            spec=put_bytes(self.store, body),
            code=keep(self.store, store_source(self.store, source)) if source else "",
            dataset=version.name,
            dataset_id=version.id,
            run=f"{task.run}#{task.attempt}",
        )

    def _created(self, name: str, request: TrainingRequest, code: str, first: str) -> bool:
        """Create the job; False if the name is taken. :param first: of the task's jobs, which share checkpoints."""
        from airflow_mlops.core.aws.image import training_image

        s3 = self.aws.endpoint_url("s3")
        asked = job_request(
            name,
            self.settings,
            request,
            model=self.model,
            image=self.settings.training.image or training_image(self.aws.region),
            code=code,
            region=self.aws.region,
            checkpoints=f"{self.store.uri}/sagemaker/checkpoints/{first}",
            environment={**self.environment, **({"AWS_ENDPOINT_URL_S3": s3} if s3 else {})},
        )
        client = self.aws.client("sagemaker")
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

        :raises TrainingError: if it is another's, or failed by a fault of the model or met a limit.
        """
        status = self._ours(name, request)
        if status.state == "InProgress":
            progress(f"training job {name} is there already: {status.secondary}; going on with it")
            return True
        if status.state == "Completed":
            progress(f"training job {name} has completed already")
            return True
        failure = why_ended(self.store, status)
        # A task that is killed stops its job, and another try of it is to train. A limit would be met again.
        if status.secondary not in ("Stopping", "Stopped") and not isinstance(failure, ServiceUnavailable):
            raise failure
        progress(f"{failure}; the next job takes its place")
        return False

    def _ours(self, name: str, request: TrainingRequest) -> TrainingStatus:
        """The job that has the name. :raises TrainingError: if it is not for this request."""
        client = self.aws.client("sagemaker")
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
