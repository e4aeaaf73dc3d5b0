"""S3 as jobs and containers use it: folders down, folders up, archives."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse


class DataError(Exception):
    """Data of a job could not be had or written; the message is what SageMaker's FailureReason says."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``."""
    parts = urlparse(uri)
    return parts.netloc, parts.path.lstrip("/")


def keys_below(s3: Any, uri: str) -> Iterator[str]:
    """Keys that begin with the URI's, as S3Prefix means it. :raises DataError: if the bucket can't be listed."""
    bucket, prefix = split_uri(uri)
    try:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for one in page.get("Contents", ()):
                yield one["Key"]
    except Exception as error:
        raise DataError(f"Failed to list {uri}: {error}") from error


def download(s3: Any, uri: str, target: Path) -> None:
    """One object into a file. :raises DataError: if it can't be had."""
    bucket, key = split_uri(uri)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        s3.download_file(bucket, key, str(target))
    except Exception as error:
        raise DataError(f"Data download failed: {uri}: {error}") from error


def name_below(uri: str, key: str) -> str:
    """The name of an object relative to a prefix, which may be a folder, the key itself, or a part of its name."""
    prefix = split_uri(uri)[1]
    folder = prefix if prefix.endswith("/") or not prefix else prefix + "/"
    base = folder if key.startswith(folder) else prefix[: prefix.rfind("/") + 1]
    return key[len(base) :]


def download_below(s3: Any, uri: str, folder: Path, keys: list[str] | None = None) -> list[Path]:
    """All objects below a prefix into a folder, by their names below it; a prefix that is a key gives one file.

    :param keys: only these.
    """
    bucket = split_uri(uri)[0]
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for key in keys if keys is not None else list(keys_below(s3, uri)):
        name = name_below(uri, key)
        if name and not name.endswith("/"):
            made.append(_inside(folder, name))
            download(s3, f"s3://{bucket}/{key}", made[-1])
    return made


def upload(s3: Any, source: Path, uri: str) -> None:
    """A file to an object. :raises DataError: if it can't be written."""
    bucket, key = split_uri(uri)
    try:
        s3.upload_file(str(source), bucket, key)
    except Exception as error:
        raise DataError(f"Artifact upload failed: {uri}: {error}") from error


def unpack(archive: Path, folder: Path) -> None:
    """A ``.tar.gz`` into a folder. :raises DataError: if it is none, or reaches out of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar.getmembers():
                if not (member.isfile() or member.isdir()):
                    raise DataError(f"{archive.name}: {member.name} is neither a file nor a folder")
                _inside(folder, member.name)
            tar.extractall(folder)  # noqa: S202 - every member was looked at
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive.name} is not a gzipped tar archive: {error}") from error


def pack(folders: list[Path], archive: Path) -> bool:
    """The files of folders in one ``.tar.gz``: of one name the last one wins. Whether there were any."""
    files = {path.relative_to(root): path for root in folders for path in sorted(root.rglob("*"))}
    with tarfile.open(archive, "w:gz") as tar:
        for name, path in sorted(files.items()):
            tar.add(path, arcname=str(name), recursive=False)
    return any(path.is_file() for path in files.values())


def _inside(folder: Path, name: str) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(f"{name} would be written outside of its folder")
    return path
