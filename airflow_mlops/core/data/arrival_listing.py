"""What lies below a data root, as a watcher of new data needs it: with stamps and times, and no error for nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.data.arrival import FoundFile
from airflow_mlops.core.data.glob import check_path, fixed_prefix, name_matches
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.source_s3 import S3Root
from airflow_mlops.core.errors import DataError, DataMissing, PlatformError

_PAGE = 1000


class Listing(NamedTuple):
    """:param pages: requests that it took; 0 on a folder, where it costs none."""

    files: list[FoundFile]
    pages: int


class Listable(Protocol):
    """A place whose files can be listed."""

    def list(self, after: str = "") -> Listing:
        """Its files, in no order. :param after: only those whose path sorts after this, where that is cheaper."""
        ...


def open_listing(root: DataRoot, glob: str) -> Listable:
    """The files that a glob may take, and all beside and above them that may say when they are complete.

    :raises DataError: for a glob that could leave the root.
    :raises PlatformError: for a root that is neither a folder nor on S3.
    """
    parts = check_path(glob)
    if isinstance(root, S3Root):
        return _Bucket(root, parts)
    where = urlsplit(root.uri)
    if where.scheme != "file":
        raise PlatformError("new data are watched for in a folder or on S3", given=root.uri)
    return _Folder(Path(unquote(where.path)), parts)


class _Folder:
    """Files in a folder; a link to a folder is not followed, nor is a name that begins with a dot."""

    def __init__(self, root: Path, parts: Sequence[str]) -> None:
        self._root = root
        self._parts = parts

    def list(self, after: str = "") -> Listing:
        fixed = fixed_prefix(self._parts)
        start = self._root.joinpath(*fixed)
        if not self._root.is_dir():
            raise DataError(
                f"data root {self._root.as_uri()} is not a folder",
                remedy="set field data of the mlops connection",
            )
        return Listing(list(self._below(str(start), fixed)) if start.is_dir() else [], 0)

    def _below(self, folder: str, at: tuple[str, ...]) -> Iterator[FoundFile]:
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            return  # removed while we looked
        except OSError as error:
            raise DataError(f"{'/'.join(at) or 'data root'} can't be listed", given=error.strerror) from None
        for entry in entries:
            if entry.name.startswith("."):
                continue
            inside = (*at, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if _may_hold(inside, self._parts):
                    yield from self._below(entry.path, inside)
                continue
            try:
                known = entry.stat()
            except OSError:
                continue  # removed while we looked, or a link to nothing
            if entry.is_file():
                yield FoundFile("/".join(inside), known.st_size, str(known.st_mtime_ns), known.st_mtime)


class _Bucket:
    """Objects below a prefix."""

    def __init__(self, root: S3Root, parts: Sequence[str]) -> None:
        self._root = root
        self._fixed = "".join(f"{part}/" for part in fixed_prefix(parts))

    def list(self, after: str = "") -> Listing:
        files = [
            FoundFile(path, size, etag, at)
            for path, size, etag, at in self._root.found(self._fixed, after)
            if not path.endswith("/")
        ]
        return Listing(files, len(files) // _PAGE + 1)


def _may_hold(folder: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether files that match may lie in a folder or below it."""
    for number, name in enumerate(folder):
        if number >= len(parts) - 1:
            return False
        if parts[number] == "**":
            return True
        if not name_matches(name, parts[number]):
            return False
    return True


def read_if_there(root: DataRoot, path: str) -> bytes:
    """A small file, empty when it is gone."""
    try:
        return root.read_bytes(path)
    except DataMissing:
        return b""
