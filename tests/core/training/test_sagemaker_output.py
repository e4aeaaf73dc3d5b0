"""The record of a model comes out of the job's archive, or a line says why not."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import MlopsError, TrainingError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.training.run import train
from airflow_mlops.core.training.sagemaker.output import read_trained, require_blobs
from tests.core.training.world import spec_of

KEY = "sagemaker/output/job/output/model.tar.gz"


def archive(**files: bytes) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return whole.getvalue()


def left(store: Store, data: bytes) -> str:
    store.create(KEY, data)
    return f"{store.uri}/{KEY}"


@pytest.mark.parametrize("name", ["trained.json", "./trained.json"])
def test_the_record_comes_back(store: Store, version: DatasetVersion, name: str) -> None:
    trained = train(store, spec_of(), version)
    uri = left(store, archive(**{"other.txt": b"x", name: trained.to_bytes()}))
    assert read_trained(store, uri) == trained
    require_blobs(store, trained)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"no archive", "is no archive"),
        (archive(), "left no trained.json"),
        (archive(**{"trained.json": b"{}"}), "is not a TrainedModel"),
        (archive(**{"deep/trained.json": b"{}"}), "left no trained.json"),
    ],
    # The bytes of an archive hold the time: all workers have to find the same tests.
    ids=["bytes", "empty", "no record", "elsewhere"],
)
def test_an_output_that_is_none(store: Store, data: bytes, said: str) -> None:
    with pytest.raises(MlopsError, match=said):
        read_trained(store, left(store, data))


def test_a_truncated_archive(store: Store) -> None:
    with pytest.raises(TrainingError, match="is no archive"):
        read_trained(store, left(store, archive(**{"trained.json": bytes(range(256)) * 99})[:200]))


def test_an_output_that_is_gone(store: Store) -> None:
    with pytest.raises(TrainingError, match="is gone"):
        read_trained(store, f"{store.uri}/{KEY}")


def test_an_output_elsewhere(store: Store) -> None:
    with pytest.raises(TrainingError, match="not in the store"):
        read_trained(store, "s3://somewhere/model.tar.gz")


def test_a_model_whose_bytes_are_missing(store: Store, version: DatasetVersion, tmp_path: Path) -> None:
    trained = train(store, spec_of(), version)
    (tmp_path / "store" / blob_key(trained.artifact)).unlink()
    with pytest.raises(TrainingError, match="no artifact in"):
        require_blobs(store, trained)
