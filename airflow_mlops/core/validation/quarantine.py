"""Bad rows, set aside whole: where each one came from, and why it is here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_file
from airflow_mlops.core.validation.marks import Marks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

ADDED = ("_source", "_row", "_reasons")


class Quarantine:
    """A Parquet file with the rows that broke a failed expectation, in the order of the files. Memory: one batch.

    A data column that is named like an added one is kept as ``data_source`` and so on.

    :param reasons: for the number of an expectation, what is said of a row that broke it.
    """

    def __init__(self, path: Path, version: DatasetVersion, reasons: Mapping[int, str]) -> None:
        self.rows = 0
        self._path = path
        self._version = version
        self._reasons = reasons
        self._writer: Any = None

    def add(self, marks: Marks, batch: pa.RecordBatch) -> None:
        """Set the next rows aside."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        sources = pa.DictionaryArray.from_arrays(
            pa.array(marks.file.astype(np.int32)), [one.source for one in self._version.files]
        )
        added = (sources.cast(pa.string()), pa.array(marks.row), self._told(marks.words))
        names = [f"data{name}" if name in ADDED else name for name in batch.schema.names]
        table = pa.Table.from_arrays([*batch.columns, *added], names=[*names, *ADDED])
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table)
        self.rows += len(batch)

    def store(self, store: Store) -> str | None:
        """Keep the file as a blob; its hash, None when no row is bad."""
        self.close()
        return put_file(store, self._path) if self.rows else None

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _told(self, words: npt.NDArray[np.int64]) -> Any:
        """The reasons of each row; rows that broke the same expectations share one text."""
        import numpy as np
        import pyarrow as pa

        if words.shape[1] == 1:
            single, place = np.unique(words[:, 0], return_inverse=True)
            kinds = single[:, None]
        else:
            kinds, place = np.unique(words, axis=0, return_inverse=True)
        nowhere = np.zeros(len(kinds), dtype=np.int64)
        one_each = Marks(nowhere, nowhere, kinds)
        broke = {number: one_each.broke(number) for number in self._reasons}
        texts = [
            "; ".join(self._reasons[number] for number, hit in broke.items() if hit[kind])
            for kind in range(len(kinds))
        ]
        return pa.DictionaryArray.from_arrays(pa.array(place.reshape(-1).astype(np.int32)), texts).cast(
            pa.string()
        )


@contextmanager
def quarantine(version: DatasetVersion, reasons: Mapping[int, str]) -> Iterator[Quarantine]:
    """A quarantine in a folder of its own, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        aside = Quarantine(Path(folder) / "quarantine.parquet", version, reasons)
        try:
            yield aside
        finally:
            aside.close()
