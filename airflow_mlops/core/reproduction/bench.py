"""Where a version is built again: a folder with copies of all that it was made of, each checked against its hash.

What runs there sees this folder and nothing else of ours: no store, no data root, no credentials.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from airflow_mlops.core.data.afresh import copy_blob, copy_version
from airflow_mlops.core.data.pin import pin_key
from airflow_mlops.core.data.reading import load_version
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import dataset_key
from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.program import program, unpack_program


@dataclass(frozen=True)
class Bench:
    """The folder of one reproduction.

    :param folder: is removed at the end.
    """

    folder: Path

    @property
    def store(self) -> FolderStore:
        """The store of its own, with the copies."""
        return FolderStore(self.folder / "store")

    @property
    def program(self) -> Path:
        """The unpacked training code."""
        return self.folder / "program"


@dataclass(frozen=True)
class Laid:
    """What lies on the bench.

    :param lock: text of the environment that trained.
    :param required: packages that the training code imports.
    """

    lock: str
    required: tuple[str, ...]


@contextmanager
def open_bench() -> Iterator[Bench]:
    """A bench for the time of the block, in the folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-reproduce-") as folder:
        yield Bench(Path(folder).resolve())


def lay_out(
    store: Store, record: ModelVersion, cited: str, bench: Bench, *, root: DataRoot | None, progress: Progress
) -> Laid:
    """Copy what a version was made of to the bench, small things first.

    :param cited: ``model:version``, for errors.
    :param root: with the client for objects that are pinned in a bucket.
    :raises KeyMissing, IntegrityError, DataErased: if a part is gone or was changed; names it.
    """
    trained, folder = record.trained, bench.folder / "store"
    bench.store  # noqa: B018 - makes the folder
    copy_blob(store, trained.artifact, folder, f"the model file of {cited}")
    if trained.code:
        copy_blob(store, trained.code.sha256, folder, f"the feature code {trained.code.name} of {cited}")
    lock = copy_blob(store, trained.environment, folder, f"the environment lock of {cited}").read_text()
    required = unpack_program(_program(store, trained, folder, cited), bench.program)
    progress(f"model file, code and lock of {cited} are as recorded")
    _require_manifest(store, record)
    version = load_version(store, record.dataset.name, record.dataset.id, root=root, progress=progress)
    copy_version(store, version, folder)
    size = sum(file.size for file in version.files)
    progress(
        f"data {version.name}@{version.id}: {len(version.files)} files, {size:,} bytes, {version.rows:,} rows, "
        "all as recorded"
    )
    return Laid(lock, required)


def _require_manifest(store: Store, record: ModelVersion) -> None:
    ref = record.dataset
    if not any(store.exists(key(ref.name, ref.id)) for key in (dataset_key, pin_key)):
        raise KeyMissing(
            f"the manifest of dataset version {ref.name}@{ref.id} is gone from {store.uri}",
            remedy="restore it from a backup",
        )


def _program(store: Store, trained: TrainedModel, folder: Path, cited: str) -> bytes:
    """The training code; for versions from before it was kept, ours."""
    if trained.program is None:
        return program()
    return copy_blob(store, trained.program, folder, f"the training code of {cited}").read_bytes()
