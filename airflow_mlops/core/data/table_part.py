"""One data file of a table: Parquet, with columns that stand in the table's log and rows that are deleted there."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DataFile, TableRef
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import get_bytes

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


@dataclass(frozen=True)
class TablePart:
    """What the table says of a file.

    :param schema: the columns of the table; what the file lacks of them is missing in its rows.
    :param constants: values of the partition columns as text, the same in all rows.
    :param deleted: which rows are deleted, as packed bits; rows beyond are kept.
    :param sha256: hash of the file.
    """

    schema: pa.Schema
    constants: dict[str, str | None] = field(default_factory=dict)
    deleted: bytes = b""
    sha256: str = ""

    @property
    def content(self) -> str:
        """What stands for the rows."""
        gone = hashlib.sha256(self.deleted).hexdigest()
        return f"{self.sha256} {sorted(self.constants.items(), key=str)} {gone}"

    @property
    def is_plain(self) -> bool:
        """Whether the rows are those of the file as it is."""
        return not self.constants and not self.deleted


def part_of(store: Store, table: TableRef, file: DataFile) -> TablePart:
    """The part that a dataset version has pinned."""
    deleted = get_bytes(store, file.deleted) if file.deleted else b""
    return TablePart(unpack_schema(table.columns), file.partition or {}, deleted, file.sha256)


def part_batches(path: Path, part: TablePart, columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Some columns of a part in their stored types, deleted rows left out; partition columns are text.

    :param rows: rows of a batch at most.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    start = 0
    # Spark's old 96 bit times reach further than nanoseconds do
    with pq.ParquetFile(path, coerce_int96_timestamp_unit="us") as parquet:
        there = [
            name for name in columns if name not in part.constants and name in parquet.schema_arrow.names
        ]
        for batch in parquet.iter_batches(batch_size=rows, columns=there):
            length = len(batch)
            arrays = [
                batch.column(name) if name in there else _constant(part, name, length) for name in columns
            ]
            whole = pa.RecordBatch.from_arrays(arrays, names=list(columns))
            yield whole if not part.deleted else whole.filter(pa.array(_kept(part.deleted, start, length)))
            start += length


def pack_schema(schema: pa.Schema) -> str:
    """A schema as text."""
    return base64.b64encode(schema.remove_metadata().serialize().to_pybytes()).decode()


@lru_cache(maxsize=64)
def unpack_schema(text: str) -> pa.Schema:
    """The schema that :func:`pack_schema` wrote."""
    import pyarrow as pa

    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))


def pack_deleted(kept: npt.NDArray[np.bool_]) -> bytes:
    """Which rows are deleted, as packed bits; empty when there are none."""
    import numpy as np

    return b"" if kept.all() else np.packbits(~kept).tobytes()


def _kept(deleted: bytes, start: int, length: int) -> npt.NDArray[np.bool_]:
    import numpy as np

    kept = np.ones(length, dtype=np.bool_)
    bits = np.unpackbits(np.frombuffer(deleted, dtype=np.uint8)[start // 8 : (start + length) // 8 + 1])
    gone = bits[start % 8 : start % 8 + length].astype(np.bool_)
    kept[: len(gone)] = ~gone
    return kept


def _constant(part: TablePart, name: str, length: int) -> Any:
    import pyarrow as pa

    value = part.constants.get(name)
    if name in part.constants and value is not None:
        return pa.repeat(pa.scalar(value, pa.string()), length)
    return pa.nulls(length, pa.string() if name in part.constants else part.schema.field(name).type)
