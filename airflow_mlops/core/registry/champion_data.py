"""The data that the champion learned from."""

from __future__ import annotations

from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store


def champion_data(
    store: Store, model: str, *, root: DataRoot | None = None, progress: Progress = ignore
) -> DatasetVersion | None:
    """The dataset version of the model's champion, None without a champion.

    :param root: where objects are read from that the version pins without a copy in the store.
    :raises DataError: if the version is not there.
    """
    champion = DeploymentLog(store, model).champion()
    if champion is None:
        return None
    ref = Registry(store, model).get(champion).dataset
    return load_version(store, ref.name, ref.id, root=root, progress=progress)
