"""The store and the source data: are they there, may we use them, do they keep their promise."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_mlops.core.doctor.finding import Finding, ok, problem, warning
from airflow_mlops.core.store.opening import folder_of

if TYPE_CHECKING:
    from airflow_mlops.core.aws.s3_options import S3Options
    from airflow_mlops.core.store import Store


def standing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def check_store(uri: str, open_store: Callable[[], Store]) -> Iterator[Finding]:
    """Race for it. A folder that is not there yet is not made.

    :param open_store: opens it.
    """
    from airflow_mlops.core.store.probe import probe

    folder = folder_of(uri)
    if folder is not None and not folder.exists():
        above = standing(folder)
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            yield warning(
                "store", f"folder {folder} is not there yet", remedy="the first task that writes makes it"
            )
        else:
            yield problem(
                "store", f"folder {folder} can't be made in {above}", "a folder that can be written"
            )
        return
    store = open_store()
    probe(store)
    yield ok("store", f"{store.uri} can be written, and of many writers of one key one wins")


def check_data(uri: str, client: Callable[[], Any], options: S3Options | None = None) -> Iterator[Finding]:
    """See that the root of the source data can be listed, and how its files will be pinned.

    :param client: makes the S3 client that reads it; called only for ``s3://``.
    :param options: who pays, and whose the bucket is; without any, those of the environment.
    """
    folder = folder_of(uri)
    if folder is not None:
        yield _folder(folder)
    elif uri.startswith("s3://"):
        yield _bucket(uri, client(), options)
    else:
        expected = "a folder, file:///path or s3://bucket/prefix"
        yield problem(
            "data", f"{uri!r} is no place that is known", expected, "set field data of the mlops connection"
        )


def _folder(folder: Path) -> Finding:
    remedy = "put the files of a spec's data.source there, or set field data of the mlops connection"
    if not folder.is_dir():
        return warning("data", f"{folder} is no folder", "the root of the source data", remedy)
    try:
        names = list(islice(os.scandir(folder), 1))
    except OSError as error:
        return problem(
            "data", f"{folder} can't be read ({error.strerror})", "a folder that can be listed", remedy
        )
    if not names:
        return warning("data", f"{folder} is empty", "the root of the source data", remedy)
    return ok("data", f"{folder} can be listed; a snapshot copies each file's content once into the store")


def _bucket(uri: str, client: Any, options: S3Options | None) -> Finding:
    from airflow_mlops.core.aws.finding import found_bucket
    from airflow_mlops.core.aws.s3_options import S3Options
    from airflow_mlops.core.data.object_versions import NotPinnable, require_versioning

    bucket = urlsplit(uri).netloc
    requests = (options or S3Options.of_environment()).of(bucket)
    words, _ = found_bucket(client, uri, requests)
    try:
        require_versioning(client, bucket, requests)
    except NotPinnable as error:
        return ok(
            "data", f"{words} can be listed; {error}: a snapshot copies each object once into the store"
        )
    return ok("data", f"{words} can be listed and is versioned: a snapshot copies nothing")
