"""Batch predictions by SageMaker's batch transform, in the container that the endpoint has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import code, exists_already, explain, is_missing, message
from airflow_mlops.core.aws.names import job_name
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.aws.steps import Call, Steps, take
from airflow_mlops.core.errors import EndpointError
from airflow_mlops.core.progress import ignore
from airflow_mlops.core.record import Record
from airflow_mlops.core.serving.transform_rows import input_prefix, output_prefix
from airflow_mlops.core.store import Store

#: A whole body goes as one request. Their product is at most 100.
_PAYLOAD_MB, _AT_ONCE = 6, 4
_TIMEOUT = 600
_JSON = "application/json"
#: So often a batch of one run may fail and be begun anew.
_MOST = 50
LOG_GROUP = "/aws/sagemaker/TransformJobs"


class TransformState(Record):
    """A transform job, as SageMaker describes it.

    :param status: ``InProgress``, ``Completed``, ``Failed``, ``Stopping`` or ``Stopped``.
    """

    job: str
    status: str
    reason: str = ""

    @property
    def changing(self) -> bool:
        """Whether it still runs."""
        return self.status in ("InProgress", "Stopping")


@dataclass(frozen=True)
class BatchTransform:
    """The transform jobs of one run's batch for one model.

    :param run: key of the run and its task.
    :param attempt: how often a person has cleared the task.
    """

    aws: Aws
    settings: SageMaker
    store: Store
    model: str
    run: str
    attempt: int = 0

    @property
    def prefix(self) -> str:
        """Where the batch lies in the store."""
        return f"sagemaker/transform/{self.model}/{self._name(0)}"

    def start(self, model_name: str, begins: Callable[[str], None] = ignore) -> TransformState:
        """Start the job, or find the one that a try before has started; one that ended badly is followed by another.

        :param model_name: of the SageMaker model that predicts.
        :param begins: is told a name before a job of that name is asked for.
        :raises EndpointError: if SageMaker refuses.
        """
        for number in range(_MOST):
            job = self._name(number)
            begins(job)
            request = transform_request(self.settings, job, model_name, f"{self.store.uri}/{self.prefix}")
            made = call(
                self.aws.client("sagemaker").create_transform_job,
                request,
                f"create transform job {job}",
                kind=EndpointError,
                unless=exists_already,
            )
            if made is not None:
                return TransformState(job=job, status="InProgress")
            state = self.describe(job)
            if state.status not in ("Failed", "Stopped", "Stopping"):
                return state
        raise EndpointError(f"batch predictions of {self.model} failed {_MOST} times", given=state.reason)

    def describe(self, job: str) -> TransformState:
        """How the job is. :raises EndpointError: if there is none, or SageMaker can't be asked."""
        return take(self.aws.client, describe(job))

    def stop(self, job: str) -> bool:
        """Ask the job to stop; whether there was one to stop. :raises EndpointError: if SageMaker can't be asked."""
        return take(self.aws.client, stop(job))

    def _name(self, number: int) -> str:
        """The job of this run's ``number``-th try, from 0."""
        return job_name(
            self.settings.prefix, self.model, f"{self.run}\x00transform\x00{number}", self.attempt
        )


def describe(job: str) -> Steps[TransformState]:
    """How a job is. :raises EndpointError: if there is none, or SageMaker can't be asked."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = yield Call("sagemaker", "describe_transform_job", {"TransformJobName": job})
    except (BotoCoreError, ClientError) as error:
        raise explain(error, f"describe transform job {job}", EndpointError) from error
    return TransformState(
        job=answer["TransformJobName"],
        status=answer["TransformJobStatus"],
        reason=" ".join(str(answer.get("FailureReason", "")).split()),
    )


def stop(job: str) -> Steps[bool]:
    """Ask a job to stop; whether there was one to stop. :raises EndpointError: if SageMaker refuses."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield Call("sagemaker", "stop_transform_job", {"TransformJobName": job})
    except (BotoCoreError, ClientError) as error:
        ended = code(error) == "ValidationException" and "status" in message(error).lower()
        if is_missing(error) or ended:
            return False
        raise explain(error, f"stop transform job {job}", EndpointError) from error
    return True


def transform_request(settings: SageMaker, job: str, model_name: str, place: str) -> dict[str, Any]:
    """``CreateTransformJob``.

    :param place: URI of the batch; its bodies are read from below it and the answers written there.
    """
    key = {"KmsKeyId": settings.kms_key} if settings.kms_key else {}
    volume = {"VolumeKmsKeyId": settings.kms_key} if settings.kms_key else {}
    return {
        "TransformJobName": job,
        "ModelName": model_name,
        "MaxConcurrentTransforms": _AT_ONCE,
        "MaxPayloadInMB": _PAYLOAD_MB,
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": _TIMEOUT, "InvocationsMaxRetries": 3},
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{input_prefix(place)}/"},
            },
            "ContentType": _JSON,
            "SplitType": "None",
        },
        "TransformOutput": {
            "S3OutputPath": output_prefix(place),
            "Accept": _JSON,
            "AssembleWith": "None",
            **key,
        },
        "TransformResources": {
            "InstanceType": settings.transform.instance_type,
            "InstanceCount": settings.transform.instances,
            **volume,
        },
        "Tags": [{"Key": name, "Value": value} for name, value in sorted(settings.tags.items())],
    }


def require_completed(state: TransformState) -> None:
    """See that a job has done its work.

    :raises EndpointError: with SageMaker's own reason, if it has not.
    """
    if state.status == "Completed":
        return
    raise EndpointError(
        f"transform job {state.job} is {state.status}",
        given=state.reason or "no reason",
        expected="Completed",
        remedy=f"its log streams are in {LOG_GROUP}",
    )
