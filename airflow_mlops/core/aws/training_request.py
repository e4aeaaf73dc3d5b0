"""What a training job is told: written by whoever starts it, read inside its container.

Everything else that the job needs lies in the store under what is named here. The container's own hyperparameters
(``sagemaker_program``, ``sagemaker_submit_directory``) stand beside these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError

from airflow_mlops.core.errors import TrainingError
from airflow_mlops.core.record import Record

_PREFIX = "mlops_"
#: The file in the job's model output that holds the
#: :class:`~airflow_mlops.core.training.artifact.TrainedModel`.
RESULT = "trained.json"
#: The file in the job's output data (``SM_OUTPUT_DATA_DIR``, uploaded as ``output.tar.gz`` also when a job fails) that
#: says in one line why it failed. The XGBoost container writes over ``/opt/ml/output/failure``: no place for it.
FAILURE = "failure.txt"


class TrainingRequest(Record):
    """One training: what to fit, on what, and where everything is.

    :param store: URI of the store, ``s3://bucket/prefix``.
    :param data: URI of the root of the source data.
    :param spec: hash of the blob that holds the spec's mapping as JSON.
    :param code: hash of the blob that holds the record (``FeatureCode``) of the features, whose module is not in the
        container; empty where the raw columns are the features.
    :param dataset: name of the dataset.
    :param dataset_id: which version of it.
    :param run: key of the Airflow run, its task and attempt.
    """

    store: str
    data: str
    spec: str
    code: str
    dataset: str
    dataset_id: str
    run: str

    def hyperparameters(self) -> dict[str, str]:
        """The request as hyperparameters of a job.

        Every value is a JSON string: SageMaker's training toolkit decodes the values as JSON where it can, and a hash
        such as ``12e3`` would come out as a number.
        """
        return {f"{_PREFIX}{name}": json.dumps(value) for name, value in self.model_dump().items()}

    @classmethod
    def from_hyperparameters(cls, given: Mapping[str, object]) -> TrainingRequest:
        """The request in a job's hyperparameters, as the API shows them or decoded, as the container does (``SM_HPS``).

        :raises TrainingError: if it is not all there.
        """
        found = {
            name.removeprefix(_PREFIX): _decoded(value)
            for name, value in given.items()
            if name.startswith(_PREFIX)
        }
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            wrong = ", ".join(f"{_PREFIX}{one['loc'][0]}" for one in error.errors(include_url=False))
            raise TrainingError(
                "hyperparameters are not those of a training", given=f"no usable {wrong}"
            ) from None


def _decoded(value: object) -> object:
    if isinstance(value, str) and value.startswith('"'):
        return json.loads(value)
    return value
