"""Dataset versions made of others: joined, repaired, with rows or columns left out."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import time_type, to_utc
from airflow_mlops.core.data.statistics import ColumnTally
from airflow_mlops.core.data.version import DataFile, DatasetRef, DatasetVersion, Derivation, dataset_key
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.record import utc_now
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_file
from airflow_mlops.core.store.results import keep_first, read_kept

if TYPE_CHECKING:
    import pyarrow as pa

_ID_DIGITS = 24


def derive(
    store: Store, parent: DatasetVersion, batches: Iterable[pa.RecordBatch], derivation: Derivation
) -> DatasetVersion:
    """Store rows as a version of ``parent``'s data set; the same rows made in the same way are the same version.

    The rows are stored as one Parquet file, content-addressed. Memory is that of a batch. The manifest comes last, so
    a death on the way leaves nothing that anybody can see. What is made of restricted data is restricted.

    :param batches: the rows, all of one schema with the parent's event time column.
    :param derivation: how they came to be.
    :raises DataError: if there is no row, or a row has no event time.
    """
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        path = Path(folder) / "rows.parquet"
        written = _write(path, batches, parent)
        sha256, size = put_file(store, path), path.stat().st_size
    source = f"{derivation.kind}-{sha256[:12]}.parquet"
    version = DatasetVersion(
        name=parent.name,
        id=_identify(parent, sha256, derivation),
        format="parquet",
        files=(DataFile(source=source, sha256=sha256, size=size, rows=written.rows),),
        rows=written.rows,
        columns=tuple(tally.column() for tally in written.tallies.values()),
        event_time=parent.event_time,
        first_event=written.first,
        last_event=written.last,
        since=parent.since,
        until=parent.until,
        created_at=utc_now(),
        derivation=derivation,
        restricted=parent.restricted or any(_is_restricted(store, one) for one in derivation.parents),
    )
    return keep_first(store, dataset_key(version.name, version.id), version)


def _is_restricted(store: Store, ref: DatasetRef) -> bool:
    found = read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
    return found is not None and found.restricted


class _Written:
    """What was written so far."""

    def __init__(self, parent: DatasetVersion) -> None:
        self.rows = 0
        self.first: Any = None
        self.last: Any = None
        self.tallies: dict[str, ColumnTally] = {}
        self._parent = parent

    def update(self, batch: pa.RecordBatch) -> None:
        """Count a batch whose event times are in UTC. :raises DataError: if one is missing."""
        import pyarrow.compute as pc

        name = self._parent.event_time
        times = batch.column(name)
        if times.null_count:
            raise DataError(
                f"{times.null_count:,} rows have no {name}", expected="an event time in every row"
            )
        if not self.tallies:
            self.tallies = {field.name: ColumnTally(field.name, field.type) for field in batch.schema}
        for column, tally in self.tallies.items():
            tally.update(batch.column(column))
        found = pc.min_max(times)
        low, high = found["min"].as_py(), found["max"].as_py()
        self.first, self.last = min(low, self.first or low), max(high, self.last or high)
        self.rows += len(batch)


def _write(path: Path, batches: Iterable[pa.RecordBatch], parent: DatasetVersion) -> _Written:
    import pyarrow.parquet as pq

    written = _Written(parent)
    writer: Any = None
    try:
        for batch in batches:
            if not len(batch):
                continue
            timed = _timed(batch, parent.event_time)
            writer = writer or pq.ParquetWriter(path, timed.schema)
            writer.write_batch(timed)
            written.update(timed)
    finally:
        if writer is not None:
            writer.close()
    if not written.rows:
        raise DataError(f"no row of {parent.name}@{parent.id} is left")
    return written


def _timed(batch: pa.RecordBatch, event_time: str) -> pa.RecordBatch:
    """The batch with its event time as versions are read with it."""
    place = batch.schema.get_field_index(event_time)
    if batch.schema.field(place).type == time_type():
        return batch
    return batch.set_column(place, event_time, to_utc(batch.column(place)))


def _identify(parent: DatasetVersion, sha256: str, derivation: Derivation) -> str:
    made = {
        "content": sha256,
        "kind": derivation.kind,
        "parents": [one.model_dump() for one in derivation.parents],
        "window": [str(parent.since), str(parent.until)],
        "details": derivation.details,
    }
    canonical = json.dumps(made, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]
