"""Dataset versions that hold rows of a person: each distinct file is read once, and of it two columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from airflow_mlops.core.data.arrow_types import type_named
from airflow_mlops.core.data.erasures import is_outside, outside_uri
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import batches
from airflow_mlops.core.data.pin import Pin
from airflow_mlops.core.data.reading import local_file, read_batches, schema_of
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DataFile, DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.errors import DataErased, IntegrityError, KeyMissing
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import parse, read_kept

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Places: TypeAlias = npt.NDArray[np.int64]

#: Derived versions of this kind have the rows of their parent, in its order, and may lack the column.
_SAME_ROWS = "privacy"


@dataclass(frozen=True)
class Held:
    """A version with rows of the person.

    :param rows: how many of them lie in its window.
    :param places: for the index of each file that holds some, the indices of these rows in it, rising; also of rows
        outside of the version's window, as the file holds them all the same.
    """

    version: DatasetVersion
    rows: int
    places: Mapping[int, Places]

    @property
    def blobs(self) -> tuple[str, ...]:
        """Hashes of its files in the store that hold such rows."""
        files = (self.version.files[number] for number in self.places)
        return tuple(dict.fromkeys(file.sha256 for file in files if not is_outside(self.version, file)))

    @property
    def outside(self) -> tuple[str, ...]:
        """Addresses of its files elsewhere that hold such rows."""
        files = (self.version.files[number] for number in self.places)
        root = self.version.root or ""
        return tuple(outside_uri(root, file) for file in files if is_outside(self.version, file))


@dataclass
class Searched:
    """What came of the search.

    :param left: what could not be searched, in words.
    """

    held: list[Held] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


@dataclass
class _Found:
    """Rows of the person in one file: their indices, and their event times in microseconds."""

    places: Places
    times: Places


def search(
    store: Store, model: str, column: str, subject: Subject, root: DataRoot | None, progress: Progress
) -> Searched:
    """Look through all versions of a model's data sets, and through those of others that share a file with them.

    Memory is that of a batch, and of the places of the person's rows.
    """
    everything = list(_versions(store))
    ours = [one for one in everything if one.name == model or one.name.startswith(f"{model}__")]
    reader = _Reader(store, column, subject, root, progress)
    for version in ours:
        reader.look(version)
    reader.look_at_unread(model)
    found = {sha256 for one in reader.searched.held for sha256 in one.blobs}
    for version in everything:
        if version not in ours and any(file.sha256 in found for file in version.files):
            reader.look(version)
    reader.searched.held.sort(key=lambda one: (one.version.created_at, one.version.id))
    return reader.searched


class _Reader:
    """Reads files, each content once."""

    def __init__(
        self, store: Store, column: str, subject: Subject, root: DataRoot | None, progress: Progress
    ) -> None:
        self.searched = Searched()
        self._store, self._column, self._subject, self._root = store, column, subject, root
        self._progress = progress
        self._known: dict[object, _Found] = {}
        self._lacking: set[str] = set()

    def look(self, version: DatasetVersion) -> None:
        """Look through a version."""
        bound, made = version.bound(self._root), version.derivation
        name = f"{version.name}@{version.id}" if made else version.name
        try:
            if self._column in {column.name for column in version.columns}:
                self._look_into(bound)
            elif made is not None and made.kind == _SAME_ROWS:
                self._follow(bound, made.parents[0])
            elif name not in self._lacking:
                self._lacking.add(name)
                self.searched.left.append(f"{name}: has no column {self._column}, and was not searched")
        except DataErased:
            return  # an earlier erasure, or an earlier try of this one, has taken its rows
        except (KeyMissing, IntegrityError) as error:
            self.searched.left.append(f"{version.name}@{version.id}: could not be searched: {error}")

    def look_at_unread(self, model: str) -> None:
        """Name the pins that nobody has read: what is in them is not known."""
        for item in self._store.list("pins/"):
            _, name, file = item.key.split("/", 2)
            if name.partition("__")[0] != model or self._store.exists(f"datasets/{name}/{file}"):
                continue
            pin = parse(self._store.read(item.key), Pin, item.key)
            self.searched.left.append(
                f"{name}@{pin.id}: was pinned and never read; its {len(pin.sources):,} objects lie in {pin.root}"
            )

    def _look_into(self, version: DatasetVersion) -> None:
        window = Window(version.since, version.until)
        places, rows = {}, 0
        for number, file in enumerate(version.files):
            try:
                found = self._of_file(version, file)
            except DataErased:
                continue  # its other files may hold rows all the same
            if len(found.places):
                places[number] = found.places
                rows += _inside(found.times, window)
        if places:
            self._add(Held(version, rows, places))

    def _of_file(self, version: DatasetVersion, file: DataFile) -> _Found:
        key = (
            file.sha256,
            file.deleted,
            str(file.partition),
            version.event_time,
            _types(version, self._column),
        )
        if key not in self._known:
            self._known[key] = self._read(version, file)
        return self._known[key]

    def _read(self, version: DatasetVersion, file: DataFile) -> _Found:
        import numpy as np
        import pyarrow as pa

        self._progress(f"looking through {file.source} of {version.name}@{version.id}")
        local = local_file(self._store, version, file)
        names = list(dict.fromkeys([self._column, version.event_time]))
        told = {one.name: type_named(one.type) for one in version.columns if one.name in names}
        if not all(told.values()):
            whole = schema_of(version, [local])
            told = {name: whole.field(name).type for name in names}
        schema = pa.schema([(name, told[name]) for name in names])
        places, times, start = [], [], 0
        for batch in batches(local, schema, version.event_time):
            mask = self._subject.mask(batch.column(self._column))
            hits = np.flatnonzero(mask.to_numpy(zero_copy_only=False))
            places.append(hits + start)
            times.append(batch.column(version.event_time).filter(mask).cast(pa.int64()).to_numpy())
            start += len(batch)
        nothing = np.empty(0, dtype=np.int64)
        return _Found(np.concatenate([nothing, *places]), np.concatenate([nothing, *times]))

    def _follow(self, version: DatasetVersion, ref: DatasetRef) -> None:
        """Find the rows of a version without the column by their places in the version that it was made of."""
        import numpy as np

        parent = read_kept(self._store, dataset_key(ref.name, ref.id), DatasetVersion)
        if parent is None or self._column not in {column.name for column in parent.columns}:
            self.searched.left.append(
                f"{version.name}@{version.id}: has no column {self._column}, and the version it was made of is gone"
            )
            return
        found, start = [], 0
        for batch in read_batches(self._store, parent.bound(self._root), [self._column]):
            mask = self._subject.mask(batch.column(self._column))
            found.append(np.flatnonzero(mask.to_numpy(zero_copy_only=False)) + start)
            start += len(batch)
        places = np.concatenate([np.empty(0, dtype=np.int64), *found])
        if len(places):
            self._add(Held(version, len(places), {0: places}))

    def _add(self, held: Held) -> None:
        self.searched.held.append(held)
        self._progress(f"{held.version.name}@{held.version.id} holds {held.rows:,} rows of the person")


def _versions(store: Store) -> Iterator[DatasetVersion]:
    for item in store.list("datasets/"):
        yield parse(store.read(item.key), DatasetVersion, item.key)


def _types(version: DatasetVersion, column: str) -> tuple[str, ...]:
    return tuple(one.type for one in version.columns if one.name == column)


def _inside(times: Places, window: Window) -> int:
    import pyarrow as pa
    import pyarrow.compute as pc

    from airflow_mlops.core.data.event_time import time_type

    inside = pc.sum(window.mask(pa.array(times).cast(time_type()))).as_py()
    return int(inside or 0)
