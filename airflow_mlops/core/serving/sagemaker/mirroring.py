"""Mirroring a version to SageMaker's model registry, with the container that its endpoint has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.sagemaker_mirror import Mirror
from airflow_mlops.core.serving.sagemaker.version_model import container_of

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store


def mirror_version(
    aws: Aws, settings: SageMaker, store: Store, model: str, version: int, *, progress: Progress = ignore
) -> str:
    """Bring ``version``, and what an earlier failure has left behind, to the registry; return its package's ARN.

    :param settings: of this model.
    :raises MlopsError: if SageMaker refuses; the next call goes on from there.
    """
    mirror = Mirror(
        aws=aws,
        settings=settings,
        store=store,
        model=model,
        containers=lambda number, _: container_of(aws, settings, store, model, number),
        progress=progress,
    )
    return mirror.follow(version)
