"""What a model has left on SageMaker that no kept version needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.retention.policy import kept_models
from airflow_mlops.core.serving.sagemaker.teardown import Cleaner
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    from airflow_mlops.core.aws.session import Aws
    from airflow_mlops.core.aws.settings import SageMaker
    from airflow_mlops.core.store import Store


def clean(
    aws: Aws, settings: SageMaker, model: str, store: Store, *, dry_run: bool = False
) -> tuple[str, ...]:
    """Delete SageMaker's configurations and models that neither the endpoint nor a kept version needs.

    Which versions are kept is said by the retention of the spec that the newest version was registered with.

    :param settings: of this model.
    :returns: what went, or would go, as ``endpoint configuration <name>`` and ``model <name>``.
    :raises PlatformError: if AWS refuses.
    """
    newest = Registry(store, model).newest()
    retention = ModelSpec(**newest[1].spec).retention if newest else None
    kept = kept_models(store, model, retention.models if retention else None)
    cleaner = Cleaner(aws, settings, model)
    unused = cleaner.unused(kept)
    if not dry_run:
        cleaner.remove(unused)
    return (
        *(f"endpoint configuration {name}" for name in unused.configurations),
        *(f"model {name}" for name in unused.models),
    )
