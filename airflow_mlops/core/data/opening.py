"""A dataset version opened with the tool at hand: Arrow, pandas, Polars or DuckDB; the same rows in each.

Every way gives the rows in the version's window, with the event time in UTC, and checks the hashes of the pinned bytes
before a row is handed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.engine import parquet_rows, quoted
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.reading import load_version, local_parquet, read_batches, read_frame
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import PlatformError
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

#: Name of the view in DuckDB.
VIEW = "data"


def open_version(store: Store, name: str, version_id: str, *, root: DataRoot | None = None) -> OpenVersion:
    """A dataset version, ready to be read.

    :param root: the data root, for versions that pin objects there instead of copies in the store.
    :raises DataError: if there is no such version.
    """
    return OpenVersion(store, load_version(store, name, version_id, root=root))


class OpenVersion:
    """The rows of one dataset version.

    Every method raises :class:`~airflow_mlops.core.errors.DataError` for a column that the version lacks, and
    ``KeyMissing`` or ``IntegrityError``, naming the file, if pinned bytes are gone or changed.

    :param version: as :func:`~airflow_mlops.core.data.reading.load_version` returns it.
    """

    def __init__(self, store: Store, version: DatasetVersion) -> None:
        self._store = store
        self.version = version

    def to_batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Arrow batches of bounded size, in the order of the files."""
        return read_batches(self._store, self.version, columns)

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """One Arrow table in memory, in the order of the files."""
        import pyarrow as pa

        return pa.Table.from_batches(self.to_batches(columns))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """One frame in memory, in the order of the event times."""
        return read_frame(self._store, self.version, columns)

    def to_polars(self) -> pl.LazyFrame:
        """A lazy frame over local Parquet files: what a query does not need is not read.

        :raises PlatformError: without the extra ``polars``.
        """
        try:
            import polars as pl
        except ImportError:
            raise PlatformError(
                "opening a dataset version in Polars needs Polars",
                remedy="pip install 'airflow-mlops[polars]'",
            ) from None
        paths = [str(path) for path in local_parquet(self._store, self.version)]
        frame = pl.scan_parquet(paths, glob=False, hive_partitioning=False)
        times, window = pl.col(self.version.event_time), self._window()
        if window.since:
            frame = frame.filter(times >= window.since)
        if window.until:
            frame = frame.filter(times < window.until)
        return frame

    def to_duckdb(
        self, connection: DuckDBPyConnection | None = None, *, view: str = VIEW
    ) -> DuckDBPyConnection:
        """A connection with the rows as a view over local Parquet files.

        :param connection: where the view is made; without one, a new connection in memory. Its time zone is set to
            UTC, so that event times are shown as the version has them.
        :param view: the view's name; one of the same name is replaced.
        """
        import duckdb

        paths = local_parquet(self._store, self.version)
        connection = connection or duckdb.connect(config={"autoinstall_known_extensions": False})
        connection.execute("SET TimeZone = 'UTC'")
        rows = parquet_rows(paths, self.version.event_time, self._window())
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {quoted(view)} AS {rows}")
        return connection

    def _window(self) -> Window:
        return Window(self.version.since, self.version.until)
