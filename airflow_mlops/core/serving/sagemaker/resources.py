"""SageMaker models and endpoint configurations: immutable, and named after their content.

Whoever makes the same thing again, after a crash or beside somebody else, finds it there and takes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from airflow_mlops.core.aws import names
from airflow_mlops.core.aws.call import call
from airflow_mlops.core.aws.errors import exists_already
from airflow_mlops.core.aws.on_s3 import require_on_s3
from airflow_mlops.core.aws.session import Aws
from airflow_mlops.core.aws.settings import SageMaker
from airflow_mlops.core.errors import DeploymentFailed, PlatformError
from airflow_mlops.core.serving.sagemaker.layout import Slot, variant_of
from airflow_mlops.core.serving.sagemaker.live import MODEL_VARIABLE, VARIANT_VARIABLE
from airflow_mlops.core.store import Store

#: Brings a version (None: the fallback rule) into the store as an archive, and returns its key.
Archive = Callable[[int | None], str]
#: The container image of a region.
Image = Callable[[], str]
#: What the shadow's container hears: it answers 200 even when the model fails, so that the capture shows it.
SHADOW_VARIABLE = "MLOPS_SHADOW"
#: SageMaker's limits for the time that a container may take to start, in seconds.
_SHORTEST_START, _LONGEST_START = 60, 3600


class Resources:
    """Makes what an endpoint of one model consists of.

    :param settings: of this model.
    :param store: on S3: models are read from it, and captures come below it.
    :param archive: makes a version's ``model.tar.gz``; it is asked for at most once for each version. Without one, the
        version's blobs with our inference code.
    :param image: of the containers; without one, SageMaker's XGBoost of the region.
    :raises PlatformError: if the store is not on S3.
    """

    def __init__(
        self,
        aws: Aws,
        settings: SageMaker,
        model: str,
        store: Store,
        archive: Archive | None = None,
        image: Image | None = None,
    ) -> None:
        self._aws = aws
        self._settings = settings
        self._model = model
        self._store = store
        self._store_uri = require_on_s3(store.uri)
        self._archive, self._image = archive or self._put_model, image or self._serving_image
        self._archives: dict[int | None, str] = {}

    @property
    def role(self) -> str:
        """The execution role of the containers. :raises PlatformError: if none is set."""
        role = self._settings.hosting.role_arn or self._settings.role_arn
        if role is None:
            raise PlatformError(
                "SageMaker needs an execution role for endpoints",
                given="neither sagemaker.role_arn nor sagemaker.hosting.role_arn",
                expected="arn:aws:iam::<account>:role/<name>",
                remedy="set sagemaker.role_arn of the mlops connection",
            )
        return role

    def configuration(self, slots: Sequence[Slot]) -> str:
        """The name of a configuration with these variants, which is there with all its models.

        :raises DeploymentFailed: if SageMaker refuses one of them.
        """
        content: dict[str, Any] = {
            "ProductionVariants": [self._variant(slot) for slot in slots if not slot.shadow],
            "DataCaptureConfig": self._capture(),
        }
        shadows = [self._variant(slot) for slot in slots if slot.shadow]
        if shadows:
            content["ShadowProductionVariants"] = shadows
        if self._settings.kms_key:
            content["KmsKeyId"] = self._settings.kms_key
        name = names.config_name(self._settings.prefix, self._model, _digest(content))
        self._create("create_endpoint_config", EndpointConfigName=name, Tags=self.tags(), **content)
        return name

    def tags(self) -> list[dict[str, str]]:
        """Tags of everything that is made: those of the connection, and the model."""
        tags = {"mlops-model": self._model, **self._settings.tags}
        return [{"Key": key, "Value": value} for key, value in tags.items()]

    def _variant(self, slot: Slot) -> dict[str, Any]:
        hosting = self._settings.hosting
        startup = int(min(max(hosting.startup.total_seconds(), _SHORTEST_START), _LONGEST_START))
        return {
            "VariantName": slot.name,
            "ModelName": self.model_of(slot),
            "InstanceType": hosting.instance_type,
            "InitialInstanceCount": max(hosting.instances, slot.instances),
            "InitialVariantWeight": slot.weight,
            "ContainerStartupHealthCheckTimeoutInSeconds": startup,
            "ModelDataDownloadTimeoutInSeconds": startup,
        }

    def model_of(self, slot: Slot) -> str:
        """The SageMaker model of a variant, which is there.

        :raises DeploymentFailed: if SageMaker refuses it.
        """
        content: dict[str, Any] = {
            "PrimaryContainer": self.container_of(slot),
            "ExecutionRoleArn": self.role,
        }
        network = self._settings.network
        if network is not None:
            content["VpcConfig"] = {
                "Subnets": list(network.subnets),
                "SecurityGroupIds": list(network.security_groups),
            }
        version = "fallback" if slot.version is None else slot.version
        name = names.model_name(self._settings.prefix, self._model, version, _digest(content))
        self._create("create_model", ModelName=name, Tags=self.tags(), **content)
        return name

    def container_of(self, slot: Slot) -> dict[str, Any]:
        """The container of a variant, whose archive is in the store: ``Image``, ``ModelDataUrl``, ``Environment``."""
        if slot.version not in self._archives:
            self._archives[slot.version] = self._archive(slot.version)
        environment = {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            MODEL_VARIABLE: self._model,
            VARIANT_VARIABLE: variant_of(slot.version),
        }
        if slot.shadow:
            environment[SHADOW_VARIABLE] = "1"
        s3 = self._aws.endpoint_url("s3")
        if s3 is not None:
            environment["AWS_ENDPOINT_URL_S3"] = s3
        return {
            "Image": self._settings.hosting.image or self._image(),
            "ModelDataUrl": f"{self._store_uri}/{self._archives[slot.version]}",
            "Environment": environment,
        }

    def _capture(self) -> dict[str, Any]:
        """Requests and answers of our content types are captured as they are, others in base64."""
        capture: dict[str, Any] = {
            "EnableCapture": True,
            "InitialSamplingPercentage": self._settings.hosting.capture_percent,
            "DestinationS3Uri": f"{self._store_uri}/captures",
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {
                "CsvContentTypes": ["text/csv"],
                "JsonContentTypes": ["application/json"],
            },
        }
        if self._settings.kms_key:
            capture["KmsKeyId"] = self._settings.kms_key
        return capture

    def _put_model(self, version: int | None) -> str:
        # Brings in the whole of training's code: only who deploys needs it.
        from airflow_mlops.core.serving.model_archive import put_model

        return put_model(self._store, self._model, version)

    def _serving_image(self) -> str:
        from airflow_mlops.core.aws.image import serving_image

        return serving_image(self._aws.region)

    def _create(self, name: str, **params: Any) -> None:
        """Make something, or find it made."""
        what = params.get("ModelName") or params.get("EndpointConfigName")
        method = getattr(self._aws.client("sagemaker"), name)
        action = f"{name.replace('_', ' ')} {what}"
        call(method, params, action, kind=DeploymentFailed, unless=exists_already)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
