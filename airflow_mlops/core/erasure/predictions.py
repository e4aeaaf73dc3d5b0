"""Batch predictions for a person: files without them, an entry of the log in the place of the old one, old files go."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.erasure.subject import Subject
from airflow_mlops.core.erasure.versions import Held
from airflow_mlops.core.errors import KeyExists, KeyMissing
from airflow_mlops.core.progress import Progress
from airflow_mlops.core.scoring.record import FILE, ROW, Partition, Scored, predictions_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import fetched, hash_file
from airflow_mlops.core.store.cache import cache_dir
from airflow_mlops.core.store.removal import Removal
from airflow_mlops.core.store.results import read_kept

if TYPE_CHECKING:
    import pyarrow as pa

_DIGITS = 12


@dataclass(frozen=True)
class Predicted:
    """Files of predictions with rows of the person.

    :param keys: of each file, how many of its rows go.
    """

    keys: Mapping[str, int]


class Tie:
    """What ties a prediction to the person: the column, or the place of its row in the data that were scored."""

    def __init__(self, store: Store, column: str, subject: Subject, held: Mapping[DatasetRef, Held]) -> None:
        self._store, self._column, self._subject, self._held = store, column, subject, held

    def gone(self, entry: Scored, table: pa.Table) -> Any:
        """Which rows of a file of an entry are the person's."""
        import numpy as np

        gone = np.zeros(table.num_rows, dtype=np.bool_)
        if self._column in table.column_names:
            values = table.column(self._column).combine_chunks()
            gone |= self._subject.mask(values).to_numpy(zero_copy_only=False)
        places = self._places(entry.dataset)
        if places:
            rows = table.column(ROW).to_numpy()
            files = table.column(FILE).to_pylist()
            known = {(source, int(row)) for source, some in places.items() for row in some}
            gone |= np.array(
                [pair in known for pair in zip(files, rows.tolist(), strict=True)], dtype=np.bool_
            )
        return gone

    def _places(self, ref: DatasetRef) -> dict[str, Any]:
        version = read_kept(self._store, dataset_key(ref.name, ref.id), DatasetVersion)
        if version is not None and version.derivation is not None and version.derivation.kind == "join":
            ref = version.derivation.parents[0]
        held = self._held.get(ref)
        if held is None:
            return {}
        return {held.version.files[number].source: places for number, places in held.places.items()}


def find_predictions(store: Store, model: str, tie: Tie, progress: Progress) -> Predicted:
    """Files of predictions with rows of the person, also those that later scorings have taken the place of."""
    keys: dict[str, int] = {}
    for _, entry in predictions_log(store, model).entries():
        for partition in entry.partitions:
            table = _read(store, partition)
            gone = int(tie.gone(entry, table).sum()) if table is not None else 0
            if gone:
                progress(f"{partition.key} holds {gone:,} predictions for the person")
                keys[partition.key] = gone
    return Predicted(keys)


def erase_predictions(
    store: Store, removal: Removal, model: str, tie: Tie, found: Predicted, blobs: Mapping[str, str | None]
) -> None:
    """Take the person's rows out of the predictions.

    Entries stand in one order by the time of their runs; those of the same time as a changed one are repeated behind
    it, so that each keeps its place. May be called again after it was killed.

    :param blobs: quarantines that were written anew.
    """
    log = predictions_log(store, model)
    entries = list(log.entries())
    number = entries[-1][0] if entries else 0
    for group in _by_run(entries):
        before = 0
        for last, entry in group:
            made = _without(store, tie, entry, found, blobs)
            stands = last
            if made != entry or last < before:
                stands = number = log.append(made, after=number)
            before = stands
    for key in found.keys:
        removal.remove(key)


def _by_run(entries: Sequence[tuple[int, Scored]]) -> Iterator[list[tuple[int, Scored]]]:
    """For each time of a run, its scorings in their order: the newest form of each, with its number in the log.

    A killed try, or an earlier erasure, has put other forms behind the first ones.
    """
    runs: dict[datetime, dict[tuple[object, ...], tuple[int, Scored]]] = {}
    for number, entry in entries:
        # a key that is there keeps its place
        runs.setdefault(entry.scored_at, {})[_same(entry)] = (number, entry)
    return (list(run.values()) for run in runs.values())


def _same(entry: Scored) -> tuple[object, ...]:
    """What an entry and the one that was made of it have in common."""
    return (entry.content, entry.variant, entry.scored_at, entry.columns, entry.run, entry.by)


def _without(
    store: Store, tie: Tie, entry: Scored, found: Predicted, blobs: Mapping[str, str | None]
) -> Scored:
    partitions = tuple(
        _rewritten(store, tie, entry, one) if one.key in found.keys else one for one in entry.partitions
    )
    quarantine = blobs.get(entry.quarantine, entry.quarantine) if entry.quarantine else None
    rows = sum(one.rows for one in partitions)
    return entry.model_copy(update={"partitions": partitions, "rows": rows, "quarantine": quarantine})


def _rewritten(store: Store, tie: Tie, entry: Scored, partition: Partition) -> Partition:
    """The file without the person's rows; one without rows stays, as it says which columns there are."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = _read(store, partition)
    if table is None:
        raise KeyMissing(f"predictions {partition.key} are gone from {store.uri}")
    left = table.filter(pa.array(~tie.gone(entry, table)))
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        path = Path(folder) / "rows.parquet"
        pq.write_table(left, path, compression="zstd")
        sha256 = hash_file(path)
        start = partition.key.rpartition("-")[0]
        key = f"{start}-{sha256[:_DIGITS]}.parquet"
        if not store.exists(key):
            with suppress(KeyExists):
                store.upload(path, key, sha256)
    return Partition(day=partition.day, key=key, sha256=sha256, rows=left.num_rows)


def _read(store: Store, partition: Partition) -> pa.Table | None:
    """A file of predictions; None of one that an earlier erasure has taken away."""
    import pyarrow.parquet as pq

    if not store.exists(partition.key):
        return None
    path = fetched(store, partition.key, partition.sha256, cache_dir() / "predictions")
    return pq.read_table(path, partitioning=None)
