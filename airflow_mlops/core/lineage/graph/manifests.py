"""The dataset versions of a store, as far as the index needs them: which files each holds, and what it was made of.

Ids of versions are hashes, so there is no newest one to go on from: the keys are listed, and only manifests that are
new, or whose size is another one, are read. One that retention has removed is left out, and so are its files' names.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from airflow_mlops.core.lineage.graph.cached import load, save
from airflow_mlops.core.lineage.graph.logs import read_all
from airflow_mlops.core.store import Store

Ref = tuple[str, str]
#: Which (source, S3's version, hash in hex) a file is.
FileKey = tuple[str, str | None, str]
_HASH = 32
_UNKNOWN = b"\0" * _HASH
_PINS = "pins/"
_DATASETS = "datasets/"


class _File(msgspec.Struct):
    source: str
    sha256: str
    version_id: str | None = None


class _Ref(msgspec.Struct):
    name: str
    id: str


class _Derivation(msgspec.Struct):
    kind: str
    parents: list[_Ref]


class _Query(msgspec.Struct):
    connection: str


class _Manifest(msgspec.Struct):
    name: str
    id: str
    files: list[_File]
    rows: int
    created_at: datetime
    root: str | None = None
    query: _Query | None = None
    derivation: _Derivation | None = None


class _Pin(msgspec.Struct):
    name: str
    id: str
    root: str
    created_at: datetime
    sources: list[str]
    version_ids: list[str | None]
    hashes: dict[str, str]


class Dataset(msgspec.Struct, array_like=True, frozen=True):
    """A dataset version as the index keeps it.

    :param key: of its manifest, or of its pin while nobody has read it; ``size``: of what lies there, in bytes.
    :param rows: None for a pin.
    :param made: kind of its derivation; ``query``, or ``snapshot`` for what was made of no other version.
    :param files: indices of its files, as packed 32-bit numbers.
    """

    key: str
    size: int
    name: str
    id: str
    created_at: datetime
    rows: int | None
    root: str | None
    made: str
    parents: list[Ref]
    files: bytes

    @property
    def ref(self) -> Ref:
        """Its name and id."""
        return self.name, self.id

    @property
    def held(self) -> NDArray[np.uint32]:
        """Indices of its files."""
        return np.frombuffer(self.files, dtype="<u4")


class _Content(msgspec.Struct, array_like=True):
    """What the file of the index holds; files stand in columns, each once."""

    datasets: list[Dataset]
    sources: list[str]
    version_ids: list[str | None]
    hashes: bytes


class Datasets:
    """All dataset versions of a store.

    :param unread: keys of manifests that are damaged.
    """

    def __init__(self, content: _Content, unread: tuple[str, ...] = ()) -> None:
        self._content = content
        self.unread = unread

    @property
    def all(self) -> list[Dataset]:
        """Every version."""
        return self._content.datasets

    @property
    def sources(self) -> list[str]:
        """The sources of all files."""
        return self._content.sources

    @cached_property
    def by_ref(self) -> dict[Ref, Dataset]:
        """Every version by its name and id."""
        return {one.ref: one for one in self.all}

    @cached_property
    def children(self) -> dict[Ref, list[Dataset]]:
        """The versions that were made of each version."""
        found: dict[Ref, list[Dataset]] = {}
        for one in self.all:
            for parent in one.parents:
                found.setdefault(parent, []).append(one)
        return found

    @cached_property
    def blind(self) -> set[Ref]:
        """The versions of which nobody can tell all that is in them: what one was made of is not there any more."""
        waiting = [ref for ref in self.children if ref not in self.by_ref]
        found: set[Ref] = set()
        while waiting:
            made = {one.ref for one in self.children.get(waiting.pop(), ())} - found
            found |= made
            waiting += made
        return found

    def file(self, index: int) -> FileKey:
        """What a file is; without a hash where nobody has read it yet."""
        sha256 = self._content.hashes[_HASH * index : _HASH * (index + 1)]
        known = "" if sha256 == _UNKNOWN else sha256.hex()
        return self._content.sources[index], self._content.version_ids[index], known

    def with_hash(self, start: str) -> NDArray[np.uint32]:
        """The files whose hash starts so. :param start: hex digits."""
        whole = bytes.fromhex(start[: len(start) // 2 * 2])
        same = (self._hashes[:, : len(whole)] == np.frombuffer(whole, dtype=np.uint8)).all(axis=1)
        if len(start) % 2:
            same &= self._hashes[:, len(whole)] >> 4 == int(start[-1], 16)
        return np.flatnonzero(same & self._hashes.any(axis=1)).astype(np.uint32)

    def same_content(self, files: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """These files, and those with the same bytes under other names."""
        wanted = self._keys[files]
        known = wanted[wanted != _UNKNOWN.rstrip(b"\0")]
        return np.union1d(np.flatnonzero(np.isin(self._keys, known)).astype(np.uint32), files)

    def holding(self, files: NDArray[np.uint32]) -> list[tuple[Dataset, NDArray[np.uint32]]]:
        """The versions that hold any of these files, and which of them each holds."""
        everything, ends = self._held
        hits = np.flatnonzero(np.isin(everything, files))
        owners = np.searchsorted(ends, hits, side="right")
        found: dict[int, list[int]] = {}
        for owner, hit in zip(owners.tolist(), everything[hits].tolist(), strict=True):
            found.setdefault(owner, []).append(hit)
        return [(self.all[owner], np.array(held, dtype=np.uint32)) for owner, held in found.items()]

    @cached_property
    def _hashes(self) -> NDArray[np.uint8]:
        return np.frombuffer(self._content.hashes, dtype=np.uint8).reshape(-1, _HASH)

    @cached_property
    def _keys(self) -> NDArray[Any]:
        return np.frombuffer(self._content.hashes, dtype=f"S{_HASH}")

    @cached_property
    def _held(self) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """The files of all versions one after another, and where those of each end."""
        lengths = [len(one.files) // 4 for one in self.all]
        whole = np.frombuffer(b"".join(one.files for one in self.all), dtype="<u4")
        return whole, np.cumsum(lengths, dtype=np.int64)


def read_datasets(store: Store, folder: Path | None) -> Datasets:
    """All dataset versions of a store; what the index knows already is not read again.

    :param folder: of the index; None to read everything from the store.
    """
    path, owner = folder / "datasets" if folder else None, f"{store.uri} datasets"
    before = (load(path, _Content, owner) if path else None) or _Content([], [], [], b"")
    there = _listed(store)
    kept = [one for one in before.datasets if there.get(one.key) == one.size]
    known = {one.key for one in kept}
    new = [key for key in there if key not in known]
    if not new and len(kept) == len(before.datasets):
        return Datasets(before)
    book, unread = _Book(before, kept), []
    for key, data in zip(new, read_all(store, new), strict=True):
        if data is not None and not book.add(key, data):
            unread.append(key)
    content = book.content()
    if path:
        save(path, content, owner)
    return Datasets(content, tuple(unread))


def _listed(store: Store) -> dict[str, int]:
    """Key and size of every manifest, and of the pins that nobody has read yet."""
    found = {item.key: item.size for item in store.list(_DATASETS) if item.key.endswith(".json")}
    for item in store.list(_PINS):
        if item.key.endswith(".json") and _DATASETS + item.key.removeprefix(_PINS) not in found:
            found[item.key] = item.size
    return found


class _Book:
    """What is known, with what is added: each file has one place."""

    def __init__(self, before: _Content, kept: list[Dataset]) -> None:
        self._datasets: list[Dataset] = []
        self._places: dict[tuple[str, str | None, bytes], int] = {}
        used = np.unique(np.concatenate([one.held for one in kept])) if kept else np.empty(0, np.uint32)
        for index in used.tolist():
            self._place(
                before.sources[index],
                before.version_ids[index],
                before.hashes[_HASH * index : _HASH * (index + 1)],
            )
        for one in kept:
            moved = np.searchsorted(used, one.held).astype("<u4")
            self._datasets.append(msgspec.structs.replace(one, files=moved.tobytes()))

    def add(self, key: str, data: bytes) -> bool:
        """Take in what lies under a key; False if it can't be read, or names another version than its key."""
        kind: type[_Manifest | _Pin] = _Pin if key.startswith(_PINS) else _Manifest
        try:
            found = msgspec.json.decode(data, type=kind)
            if key.partition("/")[2] != f"{found.name}/{found.id}.json":
                return False
            if isinstance(found, _Pin):
                self._datasets.append(self._of_pin(key, data, found))
            else:
                self._datasets.append(self._of(key, data, found))
        except (ValueError, UnicodeDecodeError):  # msgspec's errors, and hashes that are none
            return False
        return True

    def content(self) -> _Content:
        """All of it."""
        keys = list(self._places)
        return _Content(
            self._datasets,
            [source for source, _, _ in keys],
            [version_id for _, version_id, _ in keys],
            b"".join(sha256 for _, _, sha256 in keys),
        )

    def _of(self, key: str, data: bytes, found: _Manifest) -> Dataset:
        derivation = found.derivation
        files = [self._place(one.source, one.version_id, _bytes(one.sha256)) for one in found.files]
        return Dataset(
            key=key,
            size=len(data),
            name=found.name,
            id=found.id,
            created_at=found.created_at,
            rows=found.rows,
            root=found.root,
            made=derivation.kind if derivation else "query" if found.query else "snapshot",
            parents=[(one.name, one.id) for one in derivation.parents] if derivation else [],
            files=_packed(files),
        )

    def _of_pin(self, key: str, data: bytes, found: _Pin) -> Dataset:
        files = [
            self._place(
                source, version_id, _bytes(found.hashes[source]) if source in found.hashes else _UNKNOWN
            )
            for source, version_id in zip(found.sources, found.version_ids, strict=True)
        ]
        return Dataset(
            key=key,
            size=len(data),
            name=found.name,
            id=found.id,
            created_at=found.created_at,
            rows=None,
            root=found.root,
            made="snapshot",
            parents=[],
            files=_packed(files),
        )

    def _place(self, source: str, version_id: str | None, sha256: bytes) -> int:
        return self._places.setdefault((source, version_id, sha256), len(self._places))


def _bytes(sha256: str) -> bytes:
    """:raises ValueError: if it is no hash."""
    found = bytes.fromhex(sha256)
    if len(found) != _HASH:
        raise ValueError(sha256)
    return found


def _packed(files: Iterable[int]) -> bytes:
    return np.array(list(files), dtype="<u4").tobytes()
