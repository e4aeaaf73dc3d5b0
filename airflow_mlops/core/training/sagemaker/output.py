"""What a job has left: the record of the trained model in its ``model.tar.gz``."""

from __future__ import annotations

import io
import posixpath
import tarfile

from airflow_mlops.core.aws.training_request import RESULT
from airflow_mlops.core.errors import KeyMissing, TrainingError
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import blob_key
from airflow_mlops.core.store.results import parse
from airflow_mlops.core.training.artifact import TrainedModel

#: A record is some kilobytes; levels of categories may make it more.
_LARGEST = 64 * 2**20


def read_trained(store: Store, uri: str) -> TrainedModel:
    """The record in the archive that SageMaker made of a job's model folder.

    :param uri: of the archive; below the store.
    :raises TrainingError: if there is no such archive, or no record in it.
    """
    prefix = f"{store.uri}/"
    if not uri.startswith(prefix):
        raise TrainingError("the job's output is not in the store", given=uri, expected=f"below {store.uri}")
    try:
        data = _member(store.read(uri.removeprefix(prefix)), uri)
    except KeyMissing:
        raise TrainingError(
            "the job's output is gone", given=uri, remedy="clear the task to train anew"
        ) from None
    return parse(data, TrainedModel, f"{RESULT} in {uri}")


def require_blobs(store: Store, trained: TrainedModel) -> None:
    """See that all that the record names is in the store. :raises TrainingError: if something is missing."""
    needed = {"artifact": trained.artifact, "environment": trained.environment}
    if trained.code is not None:
        needed["code"] = trained.code.sha256
    gone = [name for name, sha256 in needed.items() if not store.exists(blob_key(sha256))]
    if gone:
        raise TrainingError(
            "the job said that it trained, but the store lacks its model",
            given=f"no {', '.join(gone)} in {store.uri}",
            remedy="clear the task to train anew; see that the role may write to the store",
        )


def _member(archive: bytes, uri: str) -> bytes:
    """The record's bytes; nothing of the archive is unpacked to a disk."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                if member.isfile() and posixpath.normpath(member.name) == RESULT and member.size <= _LARGEST:
                    found = tar.extractfile(member)
                    return found.read() if found else b""
    except (tarfile.TarError, OSError, EOFError) as error:
        raise TrainingError("the job's output is no archive", given=f"{uri}: {error}") from None
    raise TrainingError(f"the job left no {RESULT}", given=uri, remedy="read the job's log")
