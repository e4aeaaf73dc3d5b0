"""The files of a data set as streams of Arrow batches: Parquet, CSV and JSON lines look alike from here on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import check_time_type, time_type, to_utc
from airflow_mlops.core.data.jsonl import jsonl_batches, jsonl_schema
from airflow_mlops.core.data.table_part import TablePart, part_batches
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.wording import some

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_ROWS = 65_536
_MOST_CELLS = 4_000_000
_FEW = 4
_CSV_BLOCK = 4 << 20
_LARGEST_CSV_BLOCK = 64 << 20
_WIDE = 500
#: Schemas that are remembered while many files are merged: a run of equal files costs nothing.
_MOST_SEEN = 8


@dataclass(frozen=True)
class LocalFile:
    """One data file on this machine; ``source`` is its name in error messages and in the manifest.

    :param part: what a table says of its file, None for a file that stands for itself.
    """

    source: str
    path: Path
    format: str
    part: TablePart | None = None

    @property
    def content(self) -> str:
        """What stands for its rows in the name of a copy: blobs are named by their hash."""
        return self.part.content if self.part else self.path.name

    @property
    def is_plain_parquet(self) -> bool:
        """Whether an engine that reads the Parquet file finds just its rows."""
        return self.part.is_plain if self.part else self.format == "parquet"


def csv_columns(file: LocalFile) -> list[str]:
    """The names of a CSV file's columns. :raises DataError: if it can't be read, or a name is empty or stands twice."""
    with readable(file), _open_csv(file) as stream:
        names = list(stream.schema.names)
    return _once(names, file.source)


def _once(names: list[str], source: str) -> list[str]:
    if "" in names:
        raise DataError(
            f"{source} has a column without a name",
            given=f"column {names.index('') + 1} of {len(names)}",
            remedy="give it a name, or leave it out (of pandas: index=False)",
        )
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise DataError(f"{source} has the column {twice} {names.count(twice)} times", expected="once")
    return names


def file_schema(file: LocalFile, event_time: str) -> pa.Schema:
    """The schema of a file that has one of its own, as it is read: see :func:`as_read`.

    Of Parquet the footer is read, of JSON lines the whole file.

    :raises DataError: if it can't be read, or a name is empty or stands twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with readable(file):
        if file.part:
            schema = file.part.schema
        elif file.format == "jsonl":
            schema = jsonl_schema(file.path, file.source)
        else:
            schema = pq.read_schema(file.path)
    if event_time in _once(schema.names, file.source):
        check_time_type(schema.field(event_time).type, event_time, file.source)
    return pa.schema([(field.name, as_read(field.type, field.name == event_time)) for field in schema])


def as_read(kind: pa.DataType, is_event_time: bool) -> pa.DataType:
    """The type a column is read with: event times in UTC, decimals as floats, dictionaries as their
    values.
    """
    import pyarrow as pa
    from pyarrow import types

    if is_event_time:
        return time_type()
    if types.is_dictionary(kind):
        return as_read(kind.value_type, False)
    return pa.float64() if types.is_decimal(kind) else kind


def merge_schemas(schemas: Sequence[tuple[str, pa.Schema]]) -> pa.Schema:
    """One schema for all files, in the column order of the first.

    A column may be empty in one file and typed in another, whole numbers in one and floats in another (pandas
    writes them so when a value is missing), or differ in the unit of time; anything else is an error.

    :param schemas: name and schema of each file.
    :raises DataError: naming the file and the column that differ.
    """
    import pyarrow as pa

    (first, start), *others = schemas
    kinds, seen = dict(zip(start.names, start.types, strict=True)), [start]
    for source, schema in others:
        if any(schema is one for one in seen):
            continue
        seen = [schema, *seen[:_MOST_SEEN]]
        found = dict(zip(schema.names, schema.types, strict=True))
        if lacking := next((name for name in kinds if name not in found), None):
            raise DataError(f"{source} lacks the column {lacking}", expected=f"the columns of {first}")
        if more := next((name for name in found if name not in kinds), None):
            raise DataError(f"{source} has a column {more} more", expected=f"the columns of {first}")
        for name, kind in found.items():
            wider = _wider(kinds[name], kind)
            if wider is None:
                raise DataError(
                    f"column {name} of {source} has another type than before",
                    given=str(kind),
                    expected=f"{kinds[name]} as in {first}",
                )
            kinds[name] = wider
    return pa.schema(list(kinds.items()))


def _wider(one: pa.DataType, other: pa.DataType) -> Any:
    """The type that holds the values of both, None if there is none."""
    import pyarrow as pa

    if one == other:
        return one
    try:
        pair = [pa.schema([("", kind)]) for kind in (one, other)]
        return pa.unify_schemas(pair, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None


def batches(file: LocalFile, schema: pa.Schema, event_time: str) -> Iterator[pa.RecordBatch]:
    """All rows of a file in batches of bounded size, with the columns and types of ``schema``.

    :raises DataError: if the file can't be read, or a value does not fit its type.
    """
    import pyarrow as pa

    text = pa.string()
    kinds = {
        name: text if name == event_time else kind
        for name, kind in zip(schema.names, schema.types, strict=True)
    }
    for batch in raw_batches(file, schema.names, kinds):
        with readable(file):
            arrays = [
                to_utc(batch.column(name)) if name == event_time else _cast(batch.column(name), kind)
                for name, kind in zip(schema.names, schema.types, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def raw_batches(
    file: LocalFile, columns: Sequence[str], kinds: Mapping[str, pa.DataType] | None = None
) -> Iterator[pa.RecordBatch]:
    """Some columns of a file as they are stored: Parquet in its own types, CSV as strings.

    :param kinds: the types of the columns of JSON lines; without them they are text.
    :raises DataError: if the file can't be read.
    """
    import pyarrow as pa

    with readable(file):
        if file.format == "jsonl":
            text = dict.fromkeys(columns, pa.string())
            yield from jsonl_batches(file.path, file.source, {**text, **(kinds or {})})
            return
        if file.format == "csv":
            with _open_csv(file, columns) as stream:
                yield from stream
            return
        import pyarrow.parquet as pq

        rows = max(1024, min(_MOST_ROWS, _MOST_CELLS // max(1, len(columns))))
        if file.part:
            yield from part_batches(file.path, file.part, columns, rows)
            return
        with pq.ParquetFile(file.path) as parquet:
            # threads pay for many columns only: they wait for each other in a small file
            threads = len(columns) > _FEW
            for batch in parquet.iter_batches(batch_size=rows, columns=list(columns), use_threads=threads):
                yield batch.select(list(columns))


def check_columns(wanted: dict[str, str], names: Sequence[str], where: str) -> None:
    """Refuse columns that are not there.

    :param wanted: what names a column (a field of the spec), by the column's name.
    :raises DataError: naming the columns, who asked for them, and close matches.
    """
    there = set(names)
    missing = [name for name in wanted if name not in there]
    if not missing:
        return
    parts = []
    for name in missing[:5]:
        near = get_close_matches(name, names, n=3, cutoff=0.5)
        parts.append(f"{name} ({wanted[name]}{'; close: ' + ', '.join(near) if near else ''})")
    if len(missing) > len(parts):
        parts.append(f"{len(missing) - len(parts)} more")
    raise DataError(f"{where} lacks {', '.join(parts)}", given=f"columns {some(names, 30)}")


def typed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the types of ``schema``. :raises pyarrow.ArrowInvalid: if a value does not fit its type."""
    import pyarrow as pa

    arrays = [_cast(batch.column(name), kind) for name, kind in zip(schema.names, schema.types, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(values: Any, kind: pa.DataType) -> Any:
    """As Arrow casts; it knows no way from the empty strings of a CSV column to the type of nulls."""
    import pyarrow as pa

    return pa.nulls(len(values)) if pa.types.is_null(kind) else values.cast(kind)


@contextmanager
def readable(file: LocalFile) -> Iterator[None]:
    """Turns Arrow's errors into one line that names the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OSError) as error:
        problem = " ".join(str(error).split())[:300]
        raise DataError(f"{file.source} can't be read as {file.format}", given=problem) from None


def _open_csv(file: LocalFile, columns: Sequence[str] | None = None) -> Any:
    """A CSV file as a stream of batches of strings; an empty field, NA, null and their like are null."""
    import pyarrow as pa
    from pyarrow import csv

    parse = csv.ParseOptions(newlines_in_values=True)
    # a block of a wide file holds few rows, and each block costs something for each column
    wide = len(columns or ()) // _WIDE
    read = csv.ReadOptions(block_size=min(_LARGEST_CSV_BLOCK, _CSV_BLOCK * max(1, wide)))
    if columns is None:
        return csv.open_csv(file.path, read_options=read, parse_options=parse)
    text = csv.ConvertOptions(
        column_types=dict.fromkeys(columns, pa.string()),
        include_columns=list(columns),
        strings_can_be_null=True,
    )
    return csv.open_csv(file.path, read_options=read, parse_options=parse, convert_options=text)
