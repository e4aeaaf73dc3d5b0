"""``model.tar.gz`` of a registered version, as SageMaker's XGBoost container serves it in script mode.

``code/`` holds our source with ``inference.py`` and ``requirements.txt``, ``store/`` the model's blobs at their keys,
``version.json`` what they belong to. The same version and the same source of ours give the same bytes under the same
key.
"""

from __future__ import annotations

from airflow_mlops.core.aws.archive import Member, put_archive
from airflow_mlops.core.aws.bundle import source
from airflow_mlops.core.aws.requirements import PYTHON
from airflow_mlops.core.errors import RegistryError
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.serving.packed import FILE, STORE, PackedVersion
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key, get_bytes
from airflow_mlops.core.training.artifact import FeatureCode, TrainedModel
from airflow_mlops.core.training.features import imports_of, stored_source

_NAME = "model.tar.gz"


def put_model(store: Store, model: str, number: int | None, *, python: str | None = PYTHON) -> str:
    """Store the archive of a version unless it is there; return its key, below ``sagemaker/models/<model>/``.

    :param number: of the version; None for the fallback rule alone, that of the newest version.
    :param python: of the container, see :func:`~airflow_mlops.core.aws.requirements.requirements`.
    :raises RegistryError: if there is no such version, or no version with a rule.
    :raises KeyMissing, IntegrityError: if a part of the model is gone or was changed.
    """
    version = _with_rule(store, model) if number is None else Registry(store, model).get(number)
    return put_archive(store, f"sagemaker/models/{model}", _NAME, _members(store, version, number, python))


def _members(store: Store, version: ModelVersion, number: int | None, python: str | None) -> list[Member]:
    trained = version.trained
    lock = get_bytes(store, trained.environment).decode()
    modules: set[str] = set()
    blobs: list[Member] = []
    if number is not None:
        # SageMaker mounts the model read-only: the folder that opening a store would make is there.
        blobs = [Member(f"{STORE}/.aside/.keep")]
        blobs += [Member(f"{STORE}/{blob_key(sha256)}", blob=sha256) for sha256 in _blobs(trained)]
        if trained.code is not None:
            modules = _modules(store, trained.code)
    about = PackedVersion.of(version, number).to_bytes()
    code = source(lock, modules, python=python, below="code/")
    return [Member(FILE, about), *blobs, *code]


def _modules(store: Store, code: FeatureCode) -> set[str]:
    return {"duckdb"} if code.language == "sql" else imports_of(stored_source(store, code))


def _blobs(trained: TrainedModel) -> set[str]:
    return {trained.artifact} | ({trained.code.sha256} if trained.code is not None else set())


def _with_rule(store: Store, model: str) -> ModelVersion:
    newest = Registry(store, model).newest()
    if newest is None or PackedVersion.of(newest[1], None).contract.serving.fallback is None:
        raise RegistryError(
            f"{model} has no fallback rule",
            given=f"version {newest[0]} without serving.fallback" if newest else "no version",
            remedy="set serving.fallback in the spec, and release a version with it",
        )
    return newest[1]
