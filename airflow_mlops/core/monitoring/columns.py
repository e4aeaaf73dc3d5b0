"""One reading of a column's values on both sides, so that only a real change looks like one.

The training data comes from Parquet or CSV, requests come as JSON: the same 3 may be an integer there and 3.0
here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_mlops.core.data.version import Column
from airflow_mlops.core.training.inputs import input_column

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "category", "time"]

_TRUTH = {"true": "true", "false": "false", "1": "true", "0": "false", "1.0": "true", "0.0": "false"}


@dataclass(frozen=True)
class Watched:
    """One watched column: its type in a request, and what it is to a drift statistic."""

    name: str
    type: str
    kind: Kind


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

    series = pd.Series(list(values), dtype=object)
    if column.kind == "time":
        return pd.to_datetime(series, errors="coerce", utc=True, format="ISO8601")
    if column.type == "number":
        numbers = pd.to_numeric(series, errors="coerce").astype("float64")
        numbers = numbers.where(numbers.abs() != float("inf"))
        if column.kind == "number":
            return numbers
        return numbers.map("{:g}".format, na_action="ignore").astype(object)
    text = series.where(series.notna(), None).map(str, na_action="ignore")
    if column.type == "boolean":
        return text.str.lower().map(_TRUTH).astype(object)
    return text.astype(object)
