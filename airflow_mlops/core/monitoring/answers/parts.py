"""The files of the table: named by their content, so that a retry writes the same ones and nothing is overwritten.

``answers/<model>/rows/date=yyyy-mm-dd/<sha256>.parquet``: answered rows of a day (UTC); ``.../labels/date=.../``: the
labels of the answers of that day; ``answers/<model>/ids/<sha256>.npy``: hashes of the ids in such a file.
A file counts only as long as the newest entry of the log leads to it: others are left by a take-in that was cut off,
or were merged into larger ones.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.errors import KeyExists
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.arrival import check_hash
from airflow_mlops.core.store.blobs import fetched
from airflow_mlops.core.store.cache import cache_dir

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["rows", "labels", "waiting"]


class Files:
    """Writes and reads the files of one model's table."""

    def __init__(self, store: Store, model: str) -> None:
        self._store = store
        self._prefix = f"answers/{model}"

    def key(self, kind: Kind, day: str, sha256: str) -> str:
        """Where a file is in the store."""
        folder = f"{kind}/date={day}" if day else kind
        return f"{self._prefix}/{folder}/{sha256}.parquet"

    def write(self, kind: Kind, day: str, table: pa.Table) -> str:
        """Write a file and return its hash."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", compression_level=1)
        data: bytes = sink.getvalue().to_pybytes()
        sha256 = hashlib.sha256(data).hexdigest()
        self._create(self.key(kind, day, sha256), data)
        return sha256

    def read(self, kind: Kind, day: str, sha256: str) -> pa.Table:
        """The rows of a file. :raises IntegrityError: if it was changed."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        data = self._checked(self.key(kind, day, sha256), sha256)
        return pq.ParquetFile(pa.BufferReader(data)).read()

    def download(self, kind: Kind, day: str, sha256: str, folder: Path) -> Path:
        """Bring a file to a folder of this machine. :raises IntegrityError: if it was changed."""
        path = folder / f"{sha256}.parquet"
        self._store.download(self.key(kind, day, sha256), path, sha256)
        return path

    def uri(self, kind: Kind, day: str, sha256: str) -> str:
        """The file's address for other tools: a path in a folder, else an ``s3://`` URI."""
        return f"{self._store.uri.removeprefix('file://')}/{self.key(kind, day, sha256)}"

    def write_index(self, *numbers: npt.NDArray[Any]) -> str:
        """Write some columns of 64 bits, of the same length, and return their hash."""
        stream = io.BytesIO()
        np.save(stream, np.stack([one.view(np.uint64) for one in numbers]), allow_pickle=False)
        sha256 = hashlib.sha256(stream.getvalue()).hexdigest()
        self._create(self._index_key(sha256), stream.getvalue())
        return sha256

    def read_index(self, sha256: str) -> npt.NDArray[np.uint64]:
        """What :meth:`write_index` wrote, one row for each column."""
        # Each take-in with labels looks into those of many days: from S3 they come once.
        if self._store.uri.startswith("s3:"):
            data = fetched(self._store, self._index_key(sha256), sha256, cache_dir() / "answers").read_bytes()
        else:
            data = self._checked(self._index_key(sha256), sha256)
        found: npt.NDArray[np.uint64] = np.load(io.BytesIO(data), allow_pickle=False)
        return found

    def _index_key(self, sha256: str) -> str:
        return f"{self._prefix}/ids/{sha256}.npy"

    def _create(self, key: str, data: bytes) -> None:
        with suppress(KeyExists):
            self._store.create(key, data)

    def _checked(self, key: str, sha256: str) -> bytes:
        data = self._store.read(key)
        check_hash(hashlib.sha256(data).hexdigest(), sha256, f"{key} in {self._store.uri}")
        return data
