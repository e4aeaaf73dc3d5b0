"""DuckDB connections that keep to this machine: nothing is downloaded, and what does not fit in memory goes to disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import Window

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

MEMORY_MB = 512


@contextmanager
def engine(memory_mb: int = MEMORY_MB) -> Iterator[DuckDBPyConnection]:
    """A connection of its own that shows times in UTC; larger work is spilled into a folder that goes with it.

    :param memory_mb: what the engine may hold in memory.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": folder,
            "autoinstall_known_extensions": False,
            "preserve_insertion_order": True,
        }
        connection = duckdb.connect(config=settings)
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection
        finally:
            connection.close()


def quoted(name: str) -> str:
    """A column's or view's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text value in SQL."""
    return "'" + text.replace("'", "''") + "'"


def parquet_rows(paths: Sequence[Path], event_time: str, window: Window) -> str:
    """SQL for the rows of some Parquet files whose event time lies in the window."""
    files = ", ".join(literal(str(path)) for path in paths)
    bounds = (("since", ">="), ("until", "<"))
    conditions = [
        f"{quoted(event_time)} {sign} TIMESTAMPTZ {literal(end.isoformat())}"
        for name, sign in bounds
        if (end := getattr(window, name))
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT * FROM read_parquet([{files}], hive_partitioning = false){where}"  # noqa: S608 (all parts are quoted)


def stream(relation: Any, rows: int) -> Iterator[pa.RecordBatch]:
    """What a query gives, in Arrow batches of about ``rows`` rows."""
    # later releases of DuckDB have renamed the method, and warn of the old name
    reader: Iterator[pa.RecordBatch] = (
        getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    )(rows)
    return reader
