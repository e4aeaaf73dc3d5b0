"""The versions with the other rows: written before anything is removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.erasures import Tombstone
from airflow_mlops.core.data.reading import read_numbered
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetRef, Derivation
from airflow_mlops.core.erasure.versions import Held
from airflow_mlops.core.errors import DataErased
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import pyarrow as pa


def replace_all(
    store: Store, held: Sequence[Held], root: DataRoot | None, *, by: str, progress: Progress
) -> tuple[Tombstone, ...]:
    """Store a version without the person's rows for each version that has some; what stands for each then.

    The oldest comes first, so that the newest version of a data set is the one that was made of its newest. A version
    that an earlier erasure has replaced is replaced by what replaces its replacement.

    :param held: the oldest first.
    """
    made: dict[DatasetRef, DatasetRef | None] = {}
    before: dict[DatasetRef, str | None] = {}
    for one in held:
        ref = one.version.ref
        try:
            made[ref] = _replace(store, one, root, by)
        except DataErased as error:
            before[ref] = error.replaced_by
        else:
            progress(f"{ref.name}@{ref.id}: {one.rows:,} rows left out")
    for ref, named in before.items():
        known = DatasetRef(name=ref.name, id=named.rpartition("@")[2]) if named else None
        made[ref] = made.get(known, known) if known else None
    return tuple(
        Tombstone(
            dataset=one.version.ref,
            rows=one.rows,
            replaced_by=made[one.version.ref],
            blobs=one.blobs,
            outside=one.outside,
        )
        for one in held
    )


def _replace(store: Store, held: Held, root: DataRoot | None, by: str) -> DatasetRef | None:
    version = held.version.bound(root)
    if held.rows == version.rows:
        return None
    note = f"{held.rows:,} of {version.rows:,} rows were left out: a person was erased"
    derivation = Derivation(kind="erasure", parents=(version.ref,), by=by, note=note)
    return derive(store, version, _others(store, held, root), derivation).ref


def _others(store: Store, held: Held, root: DataRoot | None) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    version, nothing = held.version.bound(root), np.empty(0, dtype=np.int64)
    for file, rows, batch in read_numbered(store, version, [one.name for one in version.columns]):
        yield batch.filter(pa.array(~np.isin(rows, held.places.get(file, nothing))))
