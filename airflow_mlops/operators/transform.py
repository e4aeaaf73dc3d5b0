"""Predict a whole dataset version."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import EndpointError, MlopsError, RegistryError
from airflow_mlops.operators.base import Work
from airflow_mlops.operators.data import DatasetOperator, load_dataset
from airflow_mlops.operators.rollout import number_of
from airflow_mlops.operators.training_job import job_task

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_mlops.core.serving.sagemaker_transform import BatchTransform, TransformState
    from airflow_mlops.core.serving.transform_rows import Predicted, Staged

#: Seconds that a killed task waits for SageMaker to take the order to stop.
_STOP = 20.0


class BatchTransformOperator(DatasetOperator):
    """Predict the rows of a dataset version with a registered version, by a batch transform job on SageMaker.

    The predictions lie in the store below ``sagemaker/transform/<model>/<run>/``, in the order of the rows:
    :func:`~airflow_mlops.core.serving.transform_rows.read_predictions` reads them. A retry finds its job. While the job
    runs, the task waits, deferred; when a person marks or clears the task, the job is stopped.

    Returns ``{"prefix", "version", "rows"}``.

    :param dataset: what the snapshot returned. (templated)
    :param version: what the registration returned, or a number; None means the champion at the first try. (templated)
    """

    template_fields = (*DatasetOperator.template_fields, "version")

    def __init__(self, *, dataset: Any, version: Any = None, **kwargs: Any) -> None:
        super().__init__(dataset=dataset, **kwargs)
        self.version = version
        self._job: str | None = None
        self._batch: BatchTransform | None = None

    def work(self, work: Work, context: Context) -> dict[str, Any]:
        """Stage the rows, and start the job or find it."""
        from airflow_mlops.core.serving.sagemaker.version_model import ensure_model

        batch = self._batch = batch_of(self, work, context)
        staged = self.stage(work, context, batch)
        name = ensure_model(batch.aws, batch.settings, work.store, work.spec.name, staged.version)
        state = batch.start(name, begins=self._begins)
        self.progress(f"transform job {state.job} predicts {staged.rows} rows with version {staged.version}")
        return self._conclude(work, context, batch, staged, state)

    def resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on when the job has ended."""
        return self.guarded(lambda: self._resumed(self.prepare(context), context, event), context)

    def on_kill(self) -> None:
        """Stop the job; called in a signal handler, so in a thread: whatever was interrupted may hold a lock."""
        if self._batch is not None and self._job is not None:
            thread = threading.Thread(target=self._stop, args=(self._batch, self._job), daemon=True)
            thread.start()
            thread.join(_STOP)

    def _stop(self, batch: BatchTransform, job: str) -> None:
        try:
            if batch.stop(job):
                self.progress(f"transform job {job} is asked to stop")
        except MlopsError as error:
            self.log.error("%s", error)

    def _begins(self, job: str) -> None:
        self._job = job

    def stage(self, work: Work, context: Context, batch: BatchTransform) -> Staged:
        """The rows as they were staged by the first try, whose champion counts."""
        from airflow_mlops.core.registry.deployments import DeploymentLog
        from airflow_mlops.core.registry.versions import Registry
        from airflow_mlops.core.serving.transform_rows import stage, staged

        found = staged(work.store, batch.prefix)
        if found is not None:
            return found
        number = DeploymentLog(work.store, work.spec.name).champion()
        if self.version is not None:
            number = number_of(self.version)
        if number is None:
            raise RegistryError(
                f"{work.spec.name} has no champion to predict with",
                remedy="release a version first, or name one",
            )
        record = Registry(work.store, work.spec.name).get(number)
        version = load_dataset(work, self.dataset, self.progress)
        return stage(work.store, batch.prefix, number, record, version, self.progress)

    def _resumed(self, work: Work, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        from airflow_mlops.core.serving.transform_rows import staged

        if event["status"] != "ended":
            raise EndpointError(event["message"])
        batch = batch_of(self, work, context)
        found = staged(work.store, batch.prefix)
        if found is None:
            raise EndpointError(f"the rows of transform job {event['job']} are gone", remedy="clear the task")
        return self._conclude(work, context, batch, found, batch.describe(event["job"]))

    def _conclude(
        self, work: Work, context: Context, batch: BatchTransform, staged: Staged, state: TransformState
    ) -> dict[str, Any]:
        """Wait, deferred, while the job runs; then see that every row has its answer."""
        from airflow_mlops.core.serving.sagemaker_transform import require_completed
        from airflow_mlops.core.serving.transform_rows import gather

        if state.changing:
            # A DAG file should not pay for importing Airflow's triggers.
            from airflow_mlops.triggers.transform import TransformTrigger

            self.defer(
                trigger=TransformTrigger(mlops_conn_id=self.mlops_conn_id, job=state.job),
                method_name="resume",
            )
        require_completed(state)
        return self.conclude(work, context, batch, gather(batch.store, batch.prefix, staged))

    def conclude(
        self, work: Work, context: Context, batch: BatchTransform, done: Predicted
    ) -> dict[str, Any]:
        """What is done with the answers; they are all there."""
        from airflow_mlops.core.lineage.scoring import transform_lineage

        self.declare(lambda: transform_lineage(done, batch.prefix, work.store.uri))
        if done.fallback_rows:
            self.log.warning("the fallback rule answered %d of %d rows", done.fallback_rows, done.rows)
        self.progress(f"{done.rows} predictions are in {batch.store.uri}/{batch.prefix}")
        return {"prefix": batch.prefix, "version": done.version, "rows": done.rows}


def batch_of(operator: BaseOperator, work: Work, context: Context) -> BatchTransform:
    """The batch of a task. :raises PlatformError: if the platform is not on AWS."""
    from airflow_mlops.core.serving.sagemaker_transform import BatchTransform

    aws, settings = work.platform.require_aws("serving")
    task = job_task(operator, work, context)
    return BatchTransform(
        aws=aws,
        settings=settings.of_model(work.spec.name),
        store=work.store,
        model=work.spec.name,
        run=task.run,
        attempt=task.attempt,
    )
