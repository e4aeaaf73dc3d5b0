"""The rows of a version as a DuckDB view over its Parquet files, each row with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.engine import MEMORY_MB, engine, literal, quoted
from airflow_mlops.core.data.event_time import Window, time_type
from airflow_mlops.core.data.reading import as_parquet, local_files, schema_of
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from airflow_mlops.core.data.files import LocalFile

VIEW = "tested"
FILE, ROW = "file_index", "file_row_number"
#: Names that begin so are the queries' own.
OWN = "airflow_mlops_"
_TAKEN = {FILE, ROW, "filename"}
_EPOCH = 1970
_BATCH = 65_536
#: What the engine needs for each column, for a few vectors of 2,048 values in every thread.
_COLUMN_MB = 0.15


@dataclass(frozen=True)
class Table:
    """The view :data:`VIEW`: all columns, :data:`FILE` (index in ``version.files``) and :data:`ROW` within it.

    :param schema: the columns and types that the version is read with.
    """

    connection: DuckDBPyConnection
    version: DatasetVersion
    schema: pa.Schema

    def one(self, asked: Sequence[str]) -> list[Any]:
        """Several aggregates over all rows, in one query."""
        if not asked:
            return []
        return list(self.all(f"SELECT {', '.join(asked)} FROM {VIEW}")[0])  # noqa: S608

    def all(self, query: str) -> list[Any]:
        """All rows that a query gives."""
        return list(self.connection.execute(query).fetchall())

    def stream(self, query: str) -> Iterator[pa.RecordBatch]:
        """The rows that a query gives, in batches of bounded size."""
        yield from self.connection.sql(query).to_arrow_reader(_BATCH)

    def whole(self, query: str, names: Sequence[str]) -> pa.Table:
        """Some columns of what a query gives, with the types that the version has."""
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.table(_typed(self.connection.sql(query).to_arrow_table(), schema), schema=schema)

    def in_types(self, batch: pa.RecordBatch, names: Sequence[str]) -> pa.RecordBatch:
        """Some columns out of a batch that DuckDB gave, with the types that the version has."""
        import pyarrow as pa

        schema = pa.schema([self.schema.field(name) for name in names])
        return pa.RecordBatch.from_arrays(_typed(batch, schema), schema=schema)


def _typed(given: Any, schema: pa.Schema) -> list[Any]:
    """The columns of a batch or a table that a schema names, with its types."""
    import pyarrow as pa

    return [
        pa.nulls(len(given)) if pa.types.is_null(one.type) else given.column(one.name).cast(one.type)
        for one in schema
    ]


@contextmanager
def open_table(store: Store, version: DatasetVersion) -> Iterator[Table | None]:
    """The rows of a version, their hashes checked; None if it has columns that DuckDB does not give back as they are.

    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    files = local_files(store, version)
    schema = schema_of(version, files)
    names = {name.lower() for name in schema.names}
    if len(names) < len(schema.names) or names & _TAKEN or any(name.startswith(OWN) for name in names):
        yield None  # DuckDB does not tell names apart that differ in case only
        return
    paths = _paths(files, schema, version)
    with engine(MEMORY_MB + int(len(schema.names) * _COLUMN_MB)) as connection:
        connection.execute(f"CREATE TEMP VIEW {VIEW} AS {_rows(paths, version)}")
        given = connection.sql(f"SELECT * FROM {VIEW} LIMIT 0").to_arrow_table().schema  # noqa: S608
        same = all(_gives(given.field(field.name).type, field.type) for field in schema)
        yield Table(connection, version, schema) if same else None


def _paths(files: Sequence[LocalFile], schema: pa.Schema, version: DatasetVersion) -> list[Path]:
    """The files as they lie if DuckDB reads them alike, else copies with the types of the version."""
    kinds = {_time_as_it_lies(one, schema, version) for one in files}
    if len(kinds) == 1 and None not in kinds:
        return [one.path for one in files]
    own = str(time_type())
    return [
        one.path
        if _time_as_it_lies(one, schema, version) == own
        else as_parquet(one, schema, version.event_time)
        for one in files
    ]


def _time_as_it_lies(file: LocalFile, schema: pa.Schema, version: DatasetVersion) -> str | None:
    """The type of the event time in a file that differs from the version in nothing else; None in others."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.format != "parquet":
        return None
    raw = pq.read_schema(file.path)
    plain = pa.schema([(one.name, _values_of(one.type)) for one in raw])
    place = plain.get_field_index(version.event_time)
    kind = plain.field(place).type
    if not pa.types.is_timestamp(kind) or kind.tz not in (None, "UTC"):
        return None
    if kind != time_type() and version.first_event.year <= _EPOCH:
        return None  # before 1970 Arrow and DuckDB round fractions of a microsecond in other directions
    alike = plain.set(place, pa.field(version.event_time, time_type())).equals(schema)
    return str(kind) if alike else None


def _values_of(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _rows(paths: Sequence[Path], version: DatasetVersion) -> str:
    """SQL of the view: as :func:`airflow_mlops.core.data.engine.parquet_rows`, with the places and in UTC."""
    time = quoted(version.event_time)
    utc = f"CAST({time} AS TIMESTAMPTZ)"
    columns = [
        f"{utc} AS {time}" if one.name == version.event_time else quoted(one.name) for one in version.columns
    ]
    window = Window(version.since, version.until)
    bounds = [(">=", window.since), ("<", window.until)]
    inside = [f"{utc} {sign} TIMESTAMPTZ {literal(end.isoformat())}" for sign, end in bounds if end]
    where = f" WHERE {' AND '.join(inside)}" if inside else ""
    files = ", ".join(literal(str(path)) for path in paths)
    return (
        f"SELECT {', '.join(columns)}, {FILE}, {ROW} "  # noqa: S608 (all parts are quoted)
        f"FROM read_parquet([{files}], hive_partitioning = false){where}"
    )


def _gives(given: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether a cast brings what DuckDB gives back to the version's type, and no value is changed."""
    from pyarrow import types

    texts = (types.is_string, types.is_large_string, types.is_string_view)
    if types.is_null(wanted) or given == wanted:
        return True
    if any(test(given) for test in texts) and any(test(wanted) for test in texts[:2]):
        return True
    if types.is_timestamp(given) and types.is_timestamp(wanted):
        units = ["s", "ms", "us", "ns"]
        finer = units.index(given.unit) >= units.index(wanted.unit)
        return finer and (given.tz is None) == (wanted.tz is None)
    binaries = (types.is_binary, types.is_large_binary)
    return any(test(given) for test in binaries) and any(test(wanted) for test in binaries)
