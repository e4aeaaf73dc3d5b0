"""Where the source data lie: a root, on a folder or on S3, that can be listed and read but never written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from urllib.parse import unquote, urlsplit

from airflow_mlops.core.aws.s3_options import S3Options
from airflow_mlops.core.data.glob import check_path, fixed_prefix, name_matches
from airflow_mlops.core.errors import DataError, PlatformError
from airflow_mlops.core.wording import some

_SHOWN = 8


@dataclass(frozen=True)
class SourceFile:
    """One file below a data root: its path relative to the root, and its size in bytes."""

    path: str
    size: int


@runtime_checkable
class DataRoot(Protocol):
    """The root below which the ``source`` of a spec lies.

    Implementations: :class:`FolderRoot` and :class:`~airflow_mlops.core.data.source_s3.S3Root`.
    """

    @property
    def uri(self) -> str:
        """``file:///path`` or ``s3://bucket/prefix``, without a trailing slash."""
        ...

    def list(self, glob: str) -> list[SourceFile]:
        """The files that match, sorted by path; ``**`` stands for any number of folders.

        :raises DataError: if nothing matches (naming the root, the glob and what is there), the glob could
            leave the root, or the root can't be read.
        """
        ...

    def fetch(self, path: str, to: Path) -> None:
        """Copy one file to ``to``, which appears whole or not at all.

        :raises DataError: if it can't be read.
        """
        ...

    def read_bytes(self, path: str) -> bytes:
        """One small file, for example a suite. :raises DataError: if it can't be read."""
        ...


class FolderRoot:
    """A data root in a folder. Links are followed only where they stay inside it.

    :param root: the folder; it may itself be a link.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root).absolute().resolve()

    @property
    def uri(self) -> str:
        """``file:///path``."""
        return self._root.as_uri()

    def list(self, glob: str) -> list[SourceFile]:
        """See :meth:`DataRoot.list`."""
        parts = check_path(glob)
        if not self._root.is_dir():
            raise DataError(
                f"data root {self.uri} is not a folder", remedy="set field data of the mlops connection"
            )
        found = {path.relative_to(self._root).as_posix(): path for path in self._expand(self._root, parts)}
        if not found:
            raise nothing_matches(self.uri, glob, self._neighbours(parts))
        return [SourceFile(name, found[name].stat().st_size) for name in sorted(found)]

    def local(self, path: str) -> Path:
        """The file itself, to be read in place.

        :raises DataError: if it is missing, or lies outside the root.
        """
        target = self._root.joinpath(*check_path(path))
        self._check_inside(target)
        if not target.is_file():
            raise DataError(f"{path} is missing in {self.uri}")
        return target

    def fetch(self, path: str, to: Path) -> None:
        """See :meth:`DataRoot.fetch`."""
        import shutil

        from airflow_mlops.core.data.landing import landing

        source = self.local(path)
        with landing(to) as aside:
            shutil.copyfile(source, aside)

    def read_bytes(self, path: str) -> bytes:
        """See :meth:`DataRoot.read_bytes`."""
        return self.local(path).read_bytes()

    def _expand(self, folder: Path, parts: Sequence[str]) -> Iterator[Path]:
        """Files below ``folder`` that match; under ``**`` links to folders are not followed, so no loop is
        entered.
        """
        head, rest = parts[0], parts[1:]
        if head == "**" and rest:
            yield from self._expand(folder, rest)
        for entry in sorted(folder.iterdir()):
            is_folder = entry.is_dir()
            if head == "**" and is_folder and rest:
                if not entry.name.startswith("."):
                    self._check_inside(entry)
                    if not entry.is_symlink():
                        yield from self._expand(entry, parts)
            elif name_matches(entry.name, head) and is_folder == bool(rest):
                self._check_inside(entry)
                if is_folder:
                    yield from self._expand(entry, rest)
                elif entry.is_file():
                    yield entry

    def _check_inside(self, path: Path) -> None:
        if not path.resolve().is_relative_to(self._root):
            raise DataError(
                f"{path.relative_to(self._root).as_posix()} leads out of the data root {self.uri}",
                given="a symbolic link",
                expected="files below the root",
                remedy="copy or mount the data below the root",
            )

    def _neighbours(self, parts: Sequence[str]) -> tuple[str, ...]:
        """What lies in the deepest folder of the glob's fixed part that exists."""
        folder = self._root
        for part in fixed_prefix(parts):
            if not (folder / part).is_dir():
                break
            folder = folder / part
        entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
        names = (entry.relative_to(self._root).as_posix() for entry in entries)
        return tuple(
            f"{name}/" if entry.is_dir() else name for name, entry in zip(names, entries, strict=True)
        )


def open_data_root(uri: str, s3_client: Any = None, s3_options: S3Options | None = None) -> DataRoot:
    """Open the data root at ``uri``.

    :param uri: a folder's path, ``file:///path`` or ``s3://bucket/prefix``.
    :param s3_client: a boto3 S3 client; without one, boto3 makes its own from the environment.
    :param s3_options: who pays, and whose the bucket is; without any, those of the environment.
    :raises PlatformError: for another kind of URI.
    """
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        return FolderRoot(Path(unquote(parts.path) if parts.scheme else uri).expanduser())
    if parts.scheme == "s3" and parts.netloc:
        from airflow_mlops.core.data.source_s3 import S3Root

        return S3Root(parts.netloc, parts.path.strip("/"), s3_client, s3_options)
    raise PlatformError(
        "data root is not a place that is known",
        given=repr(uri),
        expected="a folder, file:///path or s3://bucket/prefix",
    )


def nothing_matches(uri: str, glob: str, there: Sequence[str]) -> DataError:
    """The error for a glob without a file: names the root, the glob and what is there."""
    return DataError(
        f"no file matches {glob} below {uri}",
        given=f"a root with {some(there, _SHOWN)}" if there else "an empty place",
        remedy="correct data.source in the spec or field data of the mlops connection",
    )
