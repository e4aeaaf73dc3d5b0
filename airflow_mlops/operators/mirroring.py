"""Keeping SageMaker's model registry in step, where the platform is on SageMaker. Ours is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.errors import MlopsError

if TYPE_CHECKING:
    from airflow_mlops.operators.base import MlopsOperator, Work


def mirror(
    operator: MlopsOperator, work: Work, version: int | None = None, *, refused: str | None = None
) -> None:
    """Bring a version's package, approval and card to SageMaker's registry.

    A failure is a warning: no version is lost, and the next step that mirrors, or ``airflow-mlops aws mirror``, catches
    up with it.

    :param version: None for the newest one.
    :param refused: why the release of this version ended without a promotion.
    """
    platform = work.platform
    if not platform.on_sagemaker:
        return
    from airflow_mlops.core.registry.standing import note_refusal
    from airflow_mlops.core.registry.versions import Registry
    from airflow_mlops.core.serving.sagemaker.mirroring import mirror_version

    model = work.spec.name
    try:
        aws, settings = platform.require_aws("serving")
        own = settings.of_model(model)
        newest = Registry(work.store, model).newest()
        if not own.registry or newest is None:
            return
        number = version or newest[0]
        if refused is not None:
            note_refusal(work.store, model, number, refused)
        mirror_version(aws, own, work.store, model, number, progress=operator.progress)
    except MlopsError as error:
        operator.log.warning("SageMaker's model registry is behind; it follows at the next step: %s", error)
