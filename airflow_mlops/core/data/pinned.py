"""The bytes of pinned files, wherever they lie: in the store, or as object versions in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from airflow_mlops.core.data.erasures import why_erased
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.fetching import blob_cache, cached, fetch_object
from airflow_mlops.core.data.footer import rows_outside_of
from airflow_mlops.core.data.in_place import file_in_place
from airflow_mlops.core.data.pin import Pin, PinnedObject
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.data.version import DataFile, DatasetVersion
from airflow_mlops.core.errors import DataError, DataMissing, IntegrityError, KeyMissing
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import fetch_file

_MEND = "restore it from a backup, or take a new snapshot"


def pinned_file(store: Store, version: DatasetVersion, file: DataFile) -> Path:
    """A file of a version on this machine, its content checked.

    :raises KeyMissing, IntegrityError: if its bytes are gone or changed, naming the file.
    :raises DataErased: if they are gone because rows of a person were erased.
    :raises DataError: if they lie in a bucket, and the version is not bound to a root that can read it.
    """
    try:
        return _pinned(store, version, file)
    except KeyMissing:
        if told := why_erased(store, version.ref):
            raise told from None
        raise


def _pinned(store: Store, version: DatasetVersion, file: DataFile) -> Path:
    what = f"{file.source} of dataset version {version.name}@{version.id}"
    if file.version_id is None:
        return file_in_place(version, file) if version.table else _of_store(store, file.sha256, what)
    if there := cached(file.sha256):
        return there
    root = bucket_of(version.source_root, version.root or "", what)
    try:
        path, sha256 = fetch_object(root, file.source, file.version_id)
    except DataMissing:
        raise KeyMissing(_gone(what, version.root, file.version_id), remedy=_MEND) from None
    if sha256 != file.sha256:
        raise IntegrityError(
            f"{what} was changed in {version.root}",
            given=f"bytes with hash {sha256[:12]}",
            expected=file.sha256[:12],
            remedy=_MEND,
        )
    return path


def fetcher(store: Store, root: DataRoot | None, pin: Pin) -> Callable[[PinnedObject], tuple[Path, str]]:
    """A function that brings an object of a pin to this machine and says its SHA-256.

    :raises DataError: if ``root`` can't read the pin's objects; the function does if an object is gone.
    """
    name = f"dataset version {pin.name}@{pin.id}"
    bucket = bucket_of(root, pin.root, name)

    def fetch(one: PinnedObject) -> tuple[Path, str]:
        what = f"{one.source} of {name}"
        if one.version_id is None:
            return _of_store(store, one.sha256 or "", what), one.sha256 or ""
        try:
            return fetch_object(bucket, one.source, one.version_id)
        except DataMissing:
            raise DataMissing(_gone(what, pin.root, one.version_id), remedy=_MEND) from None

    return fetch


def seer(root: DataRoot | None, pin: Pin, window: Window) -> Callable[[PinnedObject], int | None]:
    """A function that says how many rows an object has, if its footer proves that none lies in a window; else None.

    It reads the object's end only.

    :raises DataError: if ``root`` can't read the pin's objects; the function does if an object is gone.
    """
    bucket = bucket_of(root, pin.root, f"dataset version {pin.name}@{pin.id}")

    def see(one: PinnedObject) -> int | None:
        if one.version_id is None:
            return None
        version_id = one.version_id
        try:
            return rows_outside_of(
                lambda count: bucket.tail(one.source, min(count, one.size), version_id),
                pin.format,
                pin.event_time,
                window,
            )
        except DataMissing:
            return None  # whoever fetches it says which version is gone

    return see


def bucket_of(root: DataRoot | None, uri: str, what: str) -> S3Root:
    """The root at ``uri``, with the client of another. :raises DataError: if that one has none."""
    if isinstance(root, S3Root):
        return root.at(uri)
    raise DataError(
        f"{what} lies in {uri}, and there is no client to read it with",
        given="no data root" if root is None else f"the data root {root.uri}",
        expected="a data root on S3",
        remedy="set field data of the mlops connection to the bucket, or give load_version its root",
    )


def _of_store(store: Store, sha256: str, what: str) -> Path:
    try:
        return fetch_file(store, sha256, blob_cache())
    except KeyMissing:
        raise KeyMissing(f"{what} is gone from {store.uri}", remedy="restore it from a backup") from None
    except IntegrityError as error:
        raise IntegrityError(f"{what} was changed in {store.uri}: {error}") from None


def _gone(what: str, root: str | None, version_id: str) -> str:
    return f"{what} is gone from {root}: version {version_id} of the object was deleted"
