"""Dataset versions copied from where their bytes lie now, past every cache of this machine, and hashed on the way."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.data.erasures import why_erased
from airflow_mlops.core.data.fetching import in_order
from airflow_mlops.core.data.pinned import bucket_of
from airflow_mlops.core.data.source import DataRoot, FolderRoot
from airflow_mlops.core.data.version import DataFile, DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError, DataMissing, IntegrityError, KeyExists, KeyMissing
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import blob_key, hash_file
from airflow_mlops.core.store.folder import FolderStore

_MEND = "restore it from a backup"


def copy_version(store: Store, version: DatasetVersion, folder: Path) -> None:
    """Copy a dataset version with all its bytes into a store in a folder: there it is read without this store, its data
    root or the network.

    :param version: bound to a root, if it pins what lies in a bucket.
    :raises KeyMissing, IntegrityError: if a file is gone or was changed, naming it.
    :raises DataErased: if its rows were erased on request.
    :raises DataError: if what it pins lies in a bucket and it is not bound to a root, or that can't be read.
    """
    copying = _Copying(store, version, folder, folder.with_name(f"{folder.name}-root"))
    for _ in in_order(copying.bring, version.files):
        pass
    with suppress(KeyExists):
        FolderStore(folder).create(dataset_key(version.name, version.id), copying.manifest().to_bytes())


def copy_blob(store: Store, sha256: str, folder: Path, what: str) -> Path:
    """Copy a blob into a store in a folder; return where it lies.

    :param what: names it, for errors.
    :raises KeyMissing, IntegrityError: if it is gone or was changed.
    """
    to = folder / blob_key(sha256)
    try:
        store.download(blob_key(sha256), to, sha256)
    except KeyMissing:
        raise KeyMissing(
            f"{what} is gone from {store.uri}", given=f"no blob {sha256[:12]}", remedy=_MEND
        ) from None
    except IntegrityError as error:
        raise _changed(what, store.uri, error.given, sha256) from None
    return to


@dataclass(frozen=True)
class _Copying:
    """A version on its way into the store in ``folder``; files of a table keep their paths, below ``beside``."""

    store: Store
    version: DatasetVersion
    folder: Path
    beside: Path

    def bring(self, file: DataFile) -> None:
        """Copy one file."""
        what = f"{file.source} of dataset version {self.version.name}@{self.version.id}"
        try:
            if self.version.table is None and file.version_id is None:
                copy_blob(self.store, file.sha256, self.folder, what)
            else:
                self._fetch(file, what)
        except KeyMissing:
            if told := why_erased(self.store, self.version.ref):
                raise told from None
            raise
        if file.deleted:
            copy_blob(self.store, file.deleted, self.folder, f"the list of deleted rows in {what}")

    def manifest(self) -> DatasetVersion:
        """The version as the copy holds it. Who reads restricted data is noted where the copy is made."""
        files = tuple(file.model_copy(update={"version_id": None}) for file in self.version.files)
        root = self.beside.as_uri() if self.version.table else None
        return self.version.model_copy(update={"files": files, "root": root, "restricted": False})

    def _fetch(self, file: DataFile, what: str) -> None:
        root = self._root(what)
        to = self.beside / file.source if self.version.table else self.folder / blob_key(file.sha256)
        try:
            if file.version_id is None:
                root.fetch(file.source, to)
            else:
                bucket_of(root, root.uri, what).fetch(file.source, to, file.version_id)
        except DataError as error:
            if isinstance(root, FolderRoot) or isinstance(error, DataMissing):
                raise KeyMissing(f"{what} is gone from {root.uri}", remedy=_MEND) from None
            raise
        if (found := hash_file(to)) != file.sha256:
            raise _changed(what, root.uri, f"bytes with hash {found[:12]}", file.sha256)

    def _root(self, what: str) -> DataRoot:
        """Where the version's own place is, with the client of the root that it is bound to."""
        place = urlsplit(self.version.root or "")
        if place.scheme == "file":
            return FolderRoot(Path(unquote(place.path)))
        return bucket_of(self.version.source_root, self.version.root or "", what)


def _changed(what: str, where: str, found: object, sha256: str) -> IntegrityError:
    return IntegrityError(f"{what} was changed in {where}", given=found, expected=sha256[:12], remedy=_MEND)
