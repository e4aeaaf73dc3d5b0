"""A registered version as a SageMaker model outside of an endpoint: for batch predictions and the model registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.registry.sagemaker_package import Container
from airflow_mlops.core.serving.sagemaker.layout import Slot, variant_of
from airflow_mlops.core.serving.sagemaker.resources import Resources

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store


def ensure_model(aws: Aws, settings: SageMaker, store: Store, model: str, version: int) -> str:
    """The name of the SageMaker model of a version, which is there then: the one that the endpoint serves.

    :param settings: of this model.
    :raises DeploymentFailed: if SageMaker refuses.
    """
    return _made(aws, settings, store, model).model_of(_slot(version))


def container_of(aws: Aws, settings: SageMaker, store: Store, model: str, version: int) -> Container:
    """How a version is served; its archive is in the store then."""
    found = _made(aws, settings, store, model).container_of(_slot(version))
    return Container(found["Image"], found["ModelDataUrl"], found["Environment"])


def _slot(version: int) -> Slot:
    return Slot(variant_of(version), version, 1.0)


def _made(aws: Aws, settings: SageMaker, store: Store, model: str) -> Resources:
    return Resources(aws, settings, model, store)
