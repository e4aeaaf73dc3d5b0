"""The columns of the table: ours, and those of the requests under their own names.

A column of a request that begins with ``_`` gets one more ``_`` in front (``_id`` becomes ``__id``), so that it can't
be taken for one of ours, which have one.

A request's column has a type in each file: numbers are double, booleans bool, times (where the version's signature
says so) timestamp in UTC, and all else is string; lists and objects as JSON. Where files, or values of one file,
differ, the column is read as string: ``1.0``, ``true``, ``2026-03-01 12:00:00+00``. A column without any value has the
type null, and fits to all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

#: The types of a request's column, as Arrow prints them.
NULL, TEXT = "null", "string"
KINDS = ("double", "bool", "timestamp[us, tz=UTC]", TEXT, NULL)
NUMBER, FLAG, TIME = KINDS[:3]

#: Our columns in the files of rows, and their types.
OWN = {
    "_inference_id": "string",
    "_row": "int64",
    "_event_id": "string",
    "_at": TIME,
    "_variant": "string",
    "_role": "string",
    "_chosen": "string",
    "_deployment": "int64",
    "_status": "int64",
    "_latency_ms": "double",
    "_prediction": "double",
}
#: Our columns that come from the files of labels.
LABEL = {"_label": "double", "_label_at": TIME}
#: The columns of a file of labels.
LABEL_FILE = {"_inference_id": "string", "_row": "int64", **LABEL}


def arrow_type(kind: str) -> pa.DataType:
    """A type by its name here."""
    from airflow_mlops.core.data.arrow_types import type_named

    return type_named(kind)


def stored_name(column: str) -> str:
    """The name in the table of a request's column."""
    return f"_{column}" if column.startswith("_") else column


def one_kind(kinds: Iterable[str]) -> str:
    """The type that values of several types are read as. It does not matter which are brought together first."""
    found = set(kinds) - {NULL}
    return found.pop() if len(found) == 1 else TEXT if found else NULL


def merged(columns: Iterable[Sequence[tuple[str, str]]]) -> dict[str, str]:
    """The columns of several files, by name, in the order of the names."""
    kinds: dict[str, set[str]] = {}
    for file in columns:
        for name, kind in file:
            kinds.setdefault(name, set()).add(kind)
    return {name: one_kind(kinds[name]) for name in sorted(kinds)}


def values_array(values: list[Any], *, time: bool = False) -> pa.Array:
    """The values of one column of requests, as JSON has them, in the type of this column.

    :param time: whether text is meant as times; where one is none, all stay text.
    """
    import pyarrow as pa

    kinds = set(map(type, values)) - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int, float}:
        return _numbers(values)
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {str}:
        return (_times(values) if time else None) or _text(values)
    return _mixed(values)


def as_text(array: pa.Array) -> pa.Array:
    """Values as text, in the one form that the table has for each type: DuckDB's."""
    import pyarrow as pa

    if array.type in (pa.null(), pa.string()):
        return array.cast(pa.string())
    from airflow_mlops.core.data.engine import engine, stream

    with engine() as connection:
        connection.register("given", pa.table({"value": array}))
        made = pa.Table.from_batches(stream(connection.sql("SELECT value::VARCHAR FROM given"), len(array)))
    return made.column(0).combine_chunks().cast(pa.string())


def in_columns(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """A table with the given columns of requests behind ours: missing ones are null, other types become text."""
    import pyarrow as pa

    arrays = [table.column(name) for name in OWN]
    for name, kind in columns.items():
        if name not in table.column_names:
            arrays.append(pa.chunked_array([pa.nulls(table.num_rows, arrow_type(kind))]))
            continue
        array = table.column(name)
        if str(array.type) not in (kind, NULL):
            array = pa.chunked_array([as_text(one) for one in array.chunks], pa.string())
        arrays.append(array.cast(arrow_type(kind)))
    return pa.table(arrays, names=[*OWN, *columns])


def columns_of(table: pa.Table) -> tuple[tuple[str, str], ...]:
    """The requests' columns of a table of rows, and their types."""
    return tuple((field.name, str(field.type)) for field in table.schema if field.name not in OWN)


def _numbers(values: list[Any]) -> pa.Array:
    """Numbers that are finite; others are null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        array = pa.array(values, pa.float64(), from_pandas=True)
    except (pa.ArrowInvalid, OverflowError):
        array = pa.array([None if value is None else _float(value) for value in values], pa.float64())
    finite = pc.is_finite(array)
    if pc.all(finite).as_py() is False:
        array = pc.if_else(finite, array, pa.scalar(None, pa.float64()))
    return array


def _float(value: float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _text(values: list[Any]) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        plain = [value and value.encode("utf-8", "replace").decode() for value in values]
        return pa.array(plain, pa.string())


def _times(values: list[Any]) -> pa.Array | None:
    import pandas as pd
    import pyarrow as pa

    try:
        times = pd.to_datetime(pd.Series(values, dtype=object), utc=True, format="ISO8601")
    except (ValueError, OverflowError):
        return None
    return pa.Array.from_pandas(times).cast(arrow_type(TIME), safe=False)


def _mixed(values: list[Any]) -> pa.Array:
    """Values of different types as text."""
    import pyarrow.compute as pc

    def only(*types: type) -> list[Any]:
        return [value if type(value) in types else None for value in values]

    rest = [_json(value) if type(value) not in (int, float, bool) else None for value in values]
    return pc.coalesce(as_text(_numbers(only(int, float))), as_text(values_array(only(bool))), _text(rest))


def _json(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return (
        value.isoformat() if isinstance(value, datetime) else json.dumps(value, sort_keys=True, default=str)
    )
