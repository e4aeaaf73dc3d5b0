"""Raw columns on their way into DuckDB: the same Arrow table for a training frame and for a request's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.errors import FeatureError
from airflow_mlops.core.training.artifact import InputColumn
from airflow_mlops.core.training.inputs import micros

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: The column with the number of each row; the statement does not see it.
ROW = "mlops_row"


class RowSource:
    """What a prepared statement reads from: whatever table is set when it runs. For one thread.

    :param columns: the raw columns.
    """

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        self._schema = arrow_schema(columns)
        self.table: pa.Table = self._schema.empty_table()

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def arrow_schema(columns: Sequence[InputColumn]) -> pa.Schema:
    """The Arrow types of the raw columns, after that of the row's number."""
    import pyarrow as pa

    types = {
        "number": pa.float64(),
        "string": pa.string(),
        "boolean": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
    }
    return pa.schema([(ROW, pa.int64()), *((column.name, types[column.type]) for column in columns)])


def frame_table(raw: pd.DataFrame, columns: Sequence[InputColumn]) -> pa.Table:
    """The table of a raw frame; NaN, None and NaT are null.

    :raises FeatureError: if a column of strings holds something else.
    """
    import numpy as np
    import pyarrow as pa

    schema = arrow_schema(columns)
    arrays = [pa.array(np.arange(len(raw), dtype=np.int64))]
    for column, field in zip(columns, list(schema)[1:], strict=True):
        values = raw[column.name]
        if column.type == "time":
            # Whole microseconds, rounded down as a request's are.
            whole = values.astype("int64").to_numpy() // 1000
            arrays.append(pa.array(whole, mask=values.isna().to_numpy()).cast(field.type))
            continue
        try:
            arrays.append(pa.array(values, type=field.type, from_pandas=True))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise FeatureError(
                f"column {column.name} holds something else than {column.type}s",
                given=" ".join(str(error).split())[:200],
            ) from None
    return pa.table(arrays, schema=schema)


def rows_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[InputColumn]) -> pa.Table:
    """The table of checked rows of a request: equal to :func:`frame_table` of their frame."""
    import pyarrow as pa

    schema = arrow_schema(columns)
    arrays = [pa.array(range(len(rows)), type=pa.int64())]
    for column, field in zip(columns, list(schema)[1:], strict=True):
        values = [row[column.name] for row in rows]
        if column.type == "time":
            values = [micros(value) for value in values]
        elif column.type == "number":
            values = [None if value is None else float(value) for value in values]
        arrays.append(pa.array(values, type=field.type, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=schema)
