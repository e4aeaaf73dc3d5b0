"""Stopping a job."""

from __future__ import annotations

from airflow_mlops.core.aws.errors import code, explain, is_missing, message
from airflow_mlops.core.aws.steps import Call, Steps
from airflow_mlops.core.errors import TrainingError


def stop(job: str) -> Steps[bool]:
    """Ask a job to stop; whether there was one to stop. It gets two minutes, in which it may leave a checkpoint.

    :raises MlopsError: if SageMaker refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield Call("sagemaker", "stop_training_job", {"TrainingJobName": job})
    except (BotoCoreError, ClientError) as error:
        if is_missing(error) or _has_ended(error):
            return False
        raise explain(error, f"stop training job {job}", TrainingError) from error
    return True


def _has_ended(error: Exception) -> bool:
    """What SageMaker says then: "The request was rejected because the training job is in status Stopped"."""
    return code(error) == "ValidationException" and "status" in message(error).lower()
