"""What a job has left: the record of the trained model, or a line that says why there is none."""

from __future__ import annotations

import io
import posixpath
import tarfile

from airflow_mlops.core.aws.training_request import FAILURE, RESULT
from airflow_mlops.core.errors import KeyMissing, MlopsError, StoreError, TrainingError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.training.artifact import TrainedModel
from airflow_mlops.core.training.sagemaker.failure import failure_of
from airflow_mlops.core.training.sagemaker.status import TrainingStatus

#: A record is some kilobytes; levels of categories may make it more.
_LARGEST = 64 * 2**20


def read_trained(store: Store, uri: str) -> TrainedModel:
    """The record in the archive that SageMaker made of a job's model folder.

    :param uri: of the archive; below the store.
    :raises TrainingError: if there is no such archive, or no record in it.
    """
    try:
        archive = _read(store, uri)
    except KeyMissing:
        raise TrainingError(
            "the job's output is gone", given=uri, remedy="clear the task to train anew"
        ) from None
    data = _member(archive, RESULT, uri)
    if data is None:
        raise TrainingError(f"the job left no {RESULT}", given=uri, remedy="read the job's log")
    return parse(data, TrainedModel, f"{RESULT} in {uri}")


def why_ended(store: Store, status: TrainingStatus) -> MlopsError:
    """The error of a job that has ended without a model, in our own words where the job left some."""
    said = read_failure(store, status.output) if status.state == "Failed" else ""
    return failure_of(status, said)


def read_failure(store: Store, uri: str) -> str:
    """What our code in the job said of why it failed, empty if it could not.

    :param uri: of the archive that SageMaker made of the job's output data; there is none in most cases.
    """
    try:
        said = _member(_read(store, uri), FAILURE, uri) or b""
    except (StoreError, TrainingError):
        return ""
    return " ".join(said.decode(errors="replace").split())


def require_blobs(store: Store, trained: TrainedModel) -> None:
    """See that all that the record names is in the store. :raises TrainingError: if something is missing."""
    needed = {"artifact": trained.artifact, "environment": trained.environment}
    if trained.code is not None:
        needed["code"] = trained.code.sha256
    if trained.program is not None:
        needed["program"] = trained.program
    gone = [name for name, sha256 in needed.items() if not store.exists(blob_key(sha256))]
    if gone:
        raise TrainingError(
            "the job said that it trained, but the store lacks its model",
            given=f"no {', '.join(gone)} in {store.uri}",
            remedy="clear the task to train anew; see that the role may write to the store",
        )


def _read(store: Store, uri: str) -> bytes:
    prefix = f"{store.uri}/"
    if not uri.startswith(prefix):
        raise TrainingError("the job's output is not in the store", given=uri, expected=f"below {store.uri}")
    return store.read(uri.removeprefix(prefix))


def _member(archive: bytes, name: str, uri: str) -> bytes | None:
    """The bytes of a file in an archive, None if it is not there; nothing is unpacked to a disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                if member.isfile() and posixpath.normpath(member.name) == name and member.size <= _LARGEST:
                    found = tar.extractfile(member)
                    return found.read() if found else b""
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainingError("the job's output is no archive", given=f"{uri}: {error}") from None
    return None
