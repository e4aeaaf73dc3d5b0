"""A store in a folder of a local or shared file system."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from airflow_mlops.core.errors import KeyExists, KeyMissing, StoreError
from airflow_mlops.core.store.arrival import HashingWriter, arriving, chunks_of, open_new, sweep
from airflow_mlops.core.store.base import Item, check_key, check_prefix, is_key
from airflow_mlops.core.store.removal import check_removable
from airflow_mlops.core.store.scratch import check_scratch

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
_NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class FolderStore:
    """Objects as files. ``create`` writes aside and links into place; one of many writers wins (link(2)).

    Names that are no keys (hidden files, editor backups) and symbolic links are not part of the store.

    :param root: the folder; made when it is missing.
    :raises StoreError: if the folder can't be made.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root).resolve()
        self._aside = self._root / ".aside"
        try:
            self._aside.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"folder {self._root} can't hold a store",
                given=error.strerror,
                expected="a folder that can be written",
            ) from None
        sweep(self._aside, "*")

    @property
    def uri(self) -> str:
        """``file:///path``."""
        return self._root.as_uri()

    def read(self, key: str) -> bytes:
        """See :meth:`Store.read`."""
        path = self._path(key)
        with self._explained("read", key):
            try:
                return path.read_bytes()
            except _NO_SUCH_FILE:
                raise self._missing(key) from None

    def create(self, key: str, data: bytes) -> None:
        """See :meth:`Store.create`."""
        with self._creating(key) as stream:
            stream.write(data)

    def exists(self, key: str) -> bool:
        """See :meth:`Store.exists`."""
        path = self._path(key)
        with self._explained("look up", key):
            return path.is_file()

    def list(self, prefix: str, start_after: str = "") -> Iterator[Item]:
        """See :meth:`Store.list`."""
        folder = check_prefix(prefix).rpartition("/")[0]
        if folder:
            self._path(folder)
        return self._walk(folder + "/" if folder else "", prefix, start_after)

    def folders(self, prefix: str) -> Iterator[str]:
        """See :meth:`Folders.folders`."""
        with self._explained("list", prefix or "the store"):
            try:
                found = [key for key, _ in self._scan(check_prefix(prefix), prefix, "") if key.endswith("/")]
            except _NO_SUCH_FILE:
                return
        yield from sorted(key[len(prefix) : -1] for key in found)

    def upload(self, path: Path, key: str, sha256: str) -> None:
        """See :meth:`Store.upload`."""
        with self._creating(key) as stream:
            writer = HashingWriter(stream)
            for chunk in chunks_of(path):
                writer.write(chunk)
            writer.check(sha256, str(path))

    def download(self, key: str, path: Path, sha256: str) -> None:
        """See :meth:`Store.download`."""
        if not self.exists(key):
            raise self._missing(key)
        with arriving(path, sha256, f"{self.uri}/{key}") as target:
            for chunk in chunks_of(self._path(key)):
                target.write(chunk)

    def discard_scratch(self, key: str) -> None:
        """See :meth:`Scratch.discard_scratch`."""
        path = self._path(check_scratch(key))
        with self._explained("remove", key):
            path.unlink(missing_ok=True)

    def remove(self, key: str) -> None:
        """See :meth:`Removal.remove`."""
        path = self._path(check_removable(key))
        with self._explained("remove", key):
            path.unlink(missing_ok=True)

    def why_unsafe(self) -> str:
        """See :meth:`Scratch.why_unsafe`."""
        return "its file system does not keep link(2) atomic: put the store on a local file system, NFS or S3"

    def _path(self, key: str) -> Path:
        """Where ``key`` lies. A symbolic link on the way is refused: it could lead out of the store."""
        path = str(self._root)
        for part in check_key(key).split("/"):
            path = f"{path}/{part}"
            if os.path.islink(path):
                raise StoreError(
                    f"{key} in {self.uri} is reached through a symbolic link",
                    given=path,
                    expected="a folder or file of the store itself",
                    remedy="mount the other place there, or move the whole store",
                )
        return Path(path)

    def _missing(self, key: str) -> KeyMissing:
        return KeyMissing(f"nothing is stored under {key} in {self.uri}")

    def _walk(self, inside: str, prefix: str, start_after: str) -> Iterator[Item]:
        """Depth first in key order: a folder sorts as its name with a slash, as in a flat listing of S3.

        :param inside: the folder's key with a slash at the end, empty for the root.
        """
        with self._explained("list", inside or "the store"):
            try:
                found = list(self._scan(inside, prefix, start_after))
            except _NO_SUCH_FILE:
                return
        for key, entry in sorted(found, key=lambda pair: pair[0]):
            if key.endswith("/"):
                yield from self._walk(key, prefix, start_after)
            else:
                try:
                    yield Item(key, entry.stat().st_size)
                except FileNotFoundError:
                    continue  # a scratch key of a probe, gone since

    def _scan(self, inside: str, prefix: str, start_after: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
        """What a folder holds, as far as the listing wants it: keys, and folders with a slash at the end."""
        with os.scandir(self._root / inside) as entries:
            for entry in entries:
                if not is_key(entry.name):
                    continue
                key = inside + entry.name
                if entry.is_dir(follow_symlinks=False):
                    key += "/"
                    wanted = (key.startswith(prefix) or prefix.startswith(key)) and (
                        key > start_after or start_after.startswith(key)
                    )
                else:
                    wanted = key.startswith(prefix) and key > start_after and not entry.is_symlink()
                if wanted:
                    yield key, entry

    @contextmanager
    def _creating(self, key: str) -> Iterator[BinaryIO]:
        """A stream whose content is stored under ``key`` when the block ends, and nowhere if it fails."""
        target = self._path(key)
        aside = self._aside / uuid.uuid4().hex
        with self._explained("write", key):
            self._require_free(target, key)
            try:
                with open_new(aside) as stream:
                    yield stream
                    stream.flush()
                    os.fsync(stream.fileno())
                self._publish(aside, target, key)
            finally:
                aside.unlink(missing_ok=True)

    def _require_free(self, target: Path, key: str) -> None:
        if target.is_dir():
            raise self._both(key)
        if target.exists():
            raise KeyExists(f"{key} exists in {self.uri}")

    def _publish(self, aside: Path, target: Path, key: str) -> None:
        try:
            _make_folder(target.parent)
        except (FileExistsError, NotADirectoryError):
            raise self._both(key) from None
        try:
            os.link(aside, target)
        except FileExistsError:
            # Over NFS the answer to a link that was made can get lost, and its repetition says "exists".
            if not os.path.samefile(aside, target):
                self._require_free(target, key)
                raise
        except OSError as error:
            if error.errno in _NO_LINKS:
                raise StoreError(
                    f"{self.uri} can't hold a store: its file system has no hard links",
                    remedy="put the store on a local file system, NFS or S3",
                ) from None
            raise
        _sync_folder(target.parent)

    def _both(self, key: str) -> StoreError:
        return StoreError(
            "key can't be an object and a folder of others at once",
            given=f"{key} in {self.uri}",
            expected="a key that is not part of another one",
        )

    @contextmanager
    def _explained(self, action: str, key: str) -> Iterator[None]:
        """Turn an error of the operating system into one line."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"can't {action} {key} in {self.uri}",
                given=error.strerror or str(error),
                remedy="check the folder's permissions and free space",
            ) from error


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that they outlive a power cut."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Write a folder's entries to the disk; a file system that refuses that for folders does it by itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)
