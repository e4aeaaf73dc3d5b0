"""Files of predictions: the same rows make the same bytes, under a key that says what they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.scoring.plan import Plan
from airflow_mlops.core.scoring.record import Partition, partition_prefix
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.blobs import hash_file

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of a row group. Cut anew here, so that bytes do not depend on how the rows came.
_GROUP = 131_072
_DIGITS = 12


def write_partition(
    store: Store, plan: Plan, day: date, batches: Iterable[pa.RecordBatch], folder: Path
) -> Partition:
    """Put the predictions for a day into the store, unless the same bytes are there.

    The key ends in a hash of the bytes: whatever wrote others, neither overwrites the other.

    :param folder: where the file is made.
    """
    path = folder / f"{day.isoformat()}.parquet"
    rows = _write(path, batches)
    sha256 = hash_file(path)
    name = f"{plan.choice.variant}-{plan.dataset.id[:_DIGITS]}-{sha256[:_DIGITS]}.parquet"
    key = f"{partition_prefix(plan.model, day)}/{name}"
    if not store.exists(key):
        with suppress(KeyExists):
            store.upload(path, key, sha256)
    path.unlink()
    return Partition(day=day, key=key, sha256=sha256, rows=rows)


def _write(path: Path, batches: Iterable[pa.RecordBatch]) -> int:
    import pyarrow.parquet as pq

    rows, writer = 0, None
    try:
        for table in _groups(batches):
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table, row_group_size=_GROUP)
            rows += len(table)
    finally:
        if writer is not None:
            writer.close()
    return rows


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The rows in groups of one size, the last one smaller."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += len(batch)
        while count >= _GROUP:
            table = pa.Table.from_batches(held)
            yield table.slice(0, _GROUP).combine_chunks()
            held = table.slice(_GROUP).to_batches()
            count -= _GROUP
    if count:
        yield pa.Table.from_batches(held).combine_chunks()
