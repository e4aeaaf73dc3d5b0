"""Files of tables that are read where they lie: below a data root, checked by their hash."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.data.fetching import cached, take_in
from airflow_mlops.core.data.source import DataRoot, FolderRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.version import DataFile, DatasetVersion
from airflow_mlops.core.errors import DataError, IntegrityError, KeyMissing
from airflow_mlops.core.store.blobs import hash_file

_REMEDY = (
    "restore it from a backup or take a new snapshot; VACUUM removes files of older table versions after "
    "delta.deletedFileRetentionDuration"
)


def file_in_place(version: DatasetVersion, file: DataFile) -> Path:
    """A file of a version's table on this machine, its content checked.

    :raises KeyMissing, IntegrityError: if it is gone or changed, naming the file.
    :raises DataError: if the version is not bound to a root that can read it.
    """
    what = f"{file.source} of dataset version {version.name}@{version.id}"
    root = _root_of(version, what)
    if isinstance(root, S3Root) and (there := cached(file.sha256)):
        return there
    try:
        if isinstance(root, FolderRoot):
            path = root.local(file.source)
            sha256 = hash_file(path)
        else:
            path, sha256 = take_in(lambda to: root.fetch(file.source, to))
    except DataError as error:
        raise KeyMissing(f"{what} is gone from {root.uri}", given=error.problem, remedy=_REMEDY) from None
    if sha256 != file.sha256:
        raise IntegrityError(
            f"{what} was changed in {root.uri}",
            given=f"bytes with hash {sha256[:12]}",
            expected=file.sha256[:12],
            remedy="restore it from a backup, or take a new snapshot",
        )
    return path


def _root_of(version: DatasetVersion, what: str) -> DataRoot:
    """The root of the version's files: on S3 with the client of the root that it is bound to."""
    uri = version.root or ""
    if urlsplit(uri).scheme == "file":
        return FolderRoot(Path(unquote(urlsplit(uri).path)))
    if isinstance(version.source_root, S3Root):
        return version.source_root.at(uri)
    raise DataError(
        f"{what} lies in {uri}, and there is no client to read it with",
        remedy="set field data of the mlops connection to the bucket, or give load_version its root",
    )
