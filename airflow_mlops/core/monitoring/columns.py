"""One reading of a column's values on both sides, so that only a real change looks like one.

The training data comes from Parquet or CSV, requests come as JSON: the same 3 may be an integer there and 3.0
here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.monitoring.sample import Categories, Numbers, Sample
from airflow_mlops.core.training.inputs import input_column

if TYPE_CHECKING:
    import pandas as pd

    from airflow_mlops.spec import ModelSpec

Kind = Literal["number", "category", "time"]

_TRUTH = {"true": "true", "false": "false", "1": "true", "0": "false", "1.0": "true", "0.0": "false"}


@dataclass(frozen=True)
class Watched:
    """One watched column: its type in a request, and what it is to a test of drift."""

    name: str
    type: str
    kind: Kind


def watched_columns(spec: ModelSpec, version: DatasetVersion) -> tuple[Watched, ...]:
    """The raw columns that are watched: those of ``monitoring.columns``, else all that the model sees.

    :param version: the dataset version whose types they have.
    :raises SpecError: if a watched column is none that the model sees: requests need not carry it.
    """
    strangers = [name for name in spec.monitoring.columns if name not in spec.features.columns]
    if strangers:
        raise SpecError(
            "monitoring.columns names columns that requests do not carry",
            given=", ".join(strangers),
            expected=f"some of features.columns: {', '.join(spec.features.columns)}",
        )
    known = {column.name: column for column in version.columns}
    return tuple(
        watch(known[name], categorical=name in spec.features.categorical)
        for name in spec.monitoring.columns or spec.features.columns
        if name in known
    )


def watch(column: Column, *, categorical: bool = False) -> Watched:
    """How a column of a dataset version is watched.

    :param categorical: the spec says that its values are categories, whatever their type.
    :raises DataError: if its type is none that a request can carry.
    """
    found = input_column(column).type
    if found == "time":
        return Watched(column.name, found, "time")
    return Watched(column.name, found, "number" if found == "number" and not categorical else "category")


def read_values(values: Iterable[Any], column: Watched) -> pd.Series[Any]:
    """The values as float64, text (categories) or times; what can't be read as that counts as missing."""
    import pandas as pd

    series = values if isinstance(values, pd.Series) else pd.Series(list(values), dtype=object)
    series = series.reset_index(drop=True)
    if column.kind == "time":
        iso = series if series.dtype != object else series.map(_iso, na_action="ignore")
        return pd.to_datetime(iso, errors="coerce", utc=True, format="ISO8601")
    if column.type == "number":
        numbers = pd.to_numeric(series, errors="coerce").astype("float64")
        numbers = numbers.where(numbers.abs() != float("inf"))
        if column.kind == "number":
            return numbers
        return numbers.map(_text_of, na_action="ignore").astype(object)
    text = series.astype(object).where(series.notna(), None).map(str, na_action="ignore")
    if column.type == "boolean":
        return text.str.lower().map(_TRUTH).astype(object)
    return text.astype(object)


def read_frame_of(frame: pd.DataFrame, columns: Sequence[Watched]) -> pd.DataFrame:
    """The watched columns that ``frame`` has, each read by :func:`read_values`."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: read_values(frame[column.name], column)
            for column in columns
            if column.name in frame.columns
        },
        index=pd.RangeIndex(len(frame)),
    )


def sample_of(values: pd.Series[Any], kind: Kind) -> Sample:
    """Values that :func:`read_values` has read, as a drift statistic takes them. A time counts as one category: only
    its missing values are compared.
    """
    import numpy as np

    present = values.dropna()
    missing = len(values) - len(present)
    if kind == "number":
        return Numbers(np.sort(present.to_numpy(dtype=np.float64)), missing)
    if kind == "time":
        return Categories({"time": len(present)} if len(present) else {}, missing)
    counted = present.value_counts()
    return Categories(
        {str(name): int(rows) for name, rows in zip(counted.index, counted, strict=True)}, missing
    )


def _iso(value: Any) -> str:
    return (
        value if isinstance(value, str) else str(value.isoformat() if hasattr(value, "isoformat") else value)
    )


def _text_of(number: float) -> str:
    """A number as the name of a category: all its digits, 3 and 3.0 alike."""
    return str(int(number)) if number.is_integer() else repr(number)
