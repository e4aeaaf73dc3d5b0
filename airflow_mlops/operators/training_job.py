"""Training in a job: where the task waits for it, deferred or not, and takes up its model."""

from __future__ import annotations

import threading
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowException

from airflow_mlops.core.errors import MlopsError, ServiceUnavailable, TrainingError
from airflow_mlops.links.pages import ModelLink
from airflow_mlops.links.sagemaker import TrainingJobLink
from airflow_mlops.operators.base import Work
from airflow_mlops.operators.data import DatasetOperator, load_dataset

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.training.artifact import TrainedModel
    from airflow_mlops.core.training.sagemaker.jobs import SageMakerTraining
    from airflow_mlops.core.training.sagemaker.starting import Task as JobTask

#: Seconds that a killed task waits for SageMaker to take the order to stop.
_STOP = 20.0


class TrainingJobOperator(DatasetOperator):
    """Base of the operators that may train in a job.

    A task that is tried again finds its job; one that a person has cleared begins a new one. A job stops when its task
    is killed, marked or cleared, deferred or not; a worker or triggerer that dies leaves it running for the next try.

    :param deferrable: wait for a job without holding a worker.
    """

    operator_extra_links = (ModelLink(), TrainingJobLink())

    def __init__(self, *, deferrable: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self._asked: tuple[SageMakerTraining, str] | None = None
        self._killed = False

    @abstractmethod
    def trained(
        self, work: Work, version: DatasetVersion, trained: TrainedModel, job: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """The result of the task. :param job: what to add of the job that trained the model."""

    def train_in_job(
        self, work: Work, training: SageMakerTraining, version: DatasetVersion, context: Context
    ) -> dict[str, Any]:
        """See that the job runs, and wait for it.

        :raises TaskDeferred: to wait without a worker.
        """

        def begins(name: str) -> None:
            self._asked = (training, name)

        task = job_task(self, work, context)
        job = training.start(work.spec, version, task, progress=self.progress, begins=begins)
        if address := training.link(job):
            context["ti"].xcom_push(key=TrainingJobLink.key, value=address)
        self._unless_killed()
        if self.deferrable and not training.ended(job):
            self._await(job)
        training.wait(job, progress=self.progress, until=self._unless_killed)
        return self._collected(work, training, version, job)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Take up the job that the trigger has followed.

        :raises AirflowFailException: if it left no model.
        :raises AirflowException: if it could not be followed, or its machines failed; the next try goes on.
        """
        return self.guarded(lambda: self._resumed(context, event), context)

    def on_kill(self) -> None:
        """Stop the job; called in a signal handler, so in a thread: whatever was interrupted may hold a lock."""
        self._killed = True
        if self._asked is not None:
            thread = threading.Thread(target=self._stop, args=self._asked, daemon=True)
            thread.start()
            thread.join(_STOP)

    def _stop(self, training: SageMakerTraining, job: str) -> None:
        try:
            if training.stop(job):
                self.progress(f"training job {job} is asked to stop")
        except MlopsError as error:
            self.log.error("%s", error)

    def _unless_killed(self) -> bool:
        """Never True. A job that was asked for while the task was being killed is stopped here.

        :raises AirflowException: if the task was killed.
        """
        if self._killed and self._asked is not None:
            self._stop(*self._asked)
            raise AirflowException("the task was killed; its training job is asked to stop")
        return False

    def _await(self, job: str) -> NoReturn:
        # A DAG file should not pay for importing Airflow's triggers.
        from airflow_mlops.triggers.training import TrainingTrigger

        limit = self.execution_timeout
        # No timeout of the deferral: Airflow would fail the task and leave the job. SageMaker ends a job in time.
        self.defer(
            trigger=TrainingTrigger(
                mlops_conn_id=self.mlops_conn_id,
                job=job,
                deadline=time.time() + limit.total_seconds() if limit else None,
            ),
            method_name="resume",
        )

    def _resumed(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_mlops.core.training.sagemaker.following import Heard

        job = event["job"]
        if event["status"] == "failed":
            raise ServiceUnavailable(f"can't follow training job {job}", given=event["message"])
        work = self.prepare(context)
        training = work.platform.training(work.spec.name)
        if training is None:
            raise ServiceUnavailable(
                f"training job {job} is on SageMaker", given="trainer local of the mlops connection since"
            )
        if event["status"] == "late":
            training.stop(job)
            raise TrainingError(
                f"training job {job} took longer than the task may",
                given=f"execution_timeout {self.execution_timeout}",
                remedy="raise execution_timeout of the task, or take larger or more machines",
            )
        # CloudWatch shows the last lines of a job some seconds late.
        training.wait(job, Heard(**(event["heard"] or {})), progress=self.progress)
        return self._collected(work, training, load_dataset(work, self.dataset, self.progress), job)

    def _collected(
        self, work: Work, training: SageMakerTraining, version: DatasetVersion, job: str
    ) -> dict[str, Any]:
        trained, status = training.collect(job, version, progress=self.progress)
        billed = status.billable_seconds
        return self.trained(work, version, trained, {"job": job, "billable_seconds": billed})


def job_task(operator: BaseOperator, work: Work, context: Context) -> JobTask:
    """Who asks for the job: the same for every try of a task until a person clears it.

    Airflow raises ``max_tries`` by the tries that were used up when a task is cleared, and only then.
    """
    from airflow_mlops.core.training.sagemaker.starting import Task

    ti = context["ti"]
    mapped = "" if ti.map_index is None or ti.map_index < 0 else f"[{ti.map_index}]"
    return Task(f"{work.run}/{operator.task_id}{mapped}", ti.max_tries - (operator.retries or 0))
