"""Slices: the rows that meet conditions on columns, or on the hour and the weekday (UTC) of a time column."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.evaluation.conditions import Between, Is, parse_slice
from airflow_mlops.core.training.matrix import level_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MISSING = "(missing)"
#: ``departure.hour`` is 0 to 23, ``departure.weekday`` Mon to Sun, both in UTC.
TIME_PARTS = ("hour", "weekday")
_DAYS = dict(enumerate(("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")))


def source_of(name: str, known: Collection[str]) -> str:
    """The column of the data that a slice's column is made of: ``departure`` for ``departure.hour``.

    :param known: columns of the data; one that is called like this goes first.
    """
    base, _, part = name.rpartition(".")
    return base if name not in known and part in TIME_PARTS and base in known else name


def slice_column(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column that a slice names, which may be a part of a time.

    :raises DataError: if a part is asked of a column without times.
    """
    import pandas as pd

    source = source_of(name, frame.columns)
    if source == name:
        return frame[name]
    column = frame[source]
    if not pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(
            f"{name} is a part of a time, and column {source} holds none", given=f"dtype {column.dtype}"
        )
    times = pd.to_datetime(column, utc=True)
    part = times.dt.hour if name.endswith(".hour") else times.dt.weekday.map(_DAYS)
    return part.rename(name)


def rows_of(frame: pd.DataFrame, text: str) -> NDArray[np.bool_]:
    """Which rows are in the slice.

    :raises SpecError: if the slice is malformed.
    :raises DataError: if a column can't be sliced by so.
    """
    import numpy as np

    mask = np.ones(len(frame), dtype=bool)
    for condition in parse_slice(text):
        column = slice_column(frame, condition.column)
        mask &= _is(column, condition) if isinstance(condition, Is) else _between(column, condition)
    return mask


def values_of(column: pd.Series) -> pd.Series:
    """The values of a column as the texts that slices are named by; missing ones are ``(missing)``.

    :raises DataError: for a column that is neither string, number nor boolean.
    """
    try:
        texts = {value: level_text(value) for value in column.dropna().unique()}
    except (TypeError, ValueError):
        raise DataError(
            f"column {column.name} can't be sliced by",
            given=f"dtype {column.dtype}",
            expected="strings, numbers or booleans",
            remedy=f"leave it out of evaluation.slices and of the gates; of a time, {column.name}.hour and "
            f"{column.name}.weekday can be",
        ) from None
    return column.map(texts).astype(object).where(column.notna(), MISSING)


def numbers_of(column: pd.Series) -> NDArray[np.float64] | None:
    """The numbers of a column, NaN where one is missing; None for a column of something else."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_bool_dtype(column) or not pd.api.types.is_numeric_dtype(column):
        return None
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def largest_slices(column: pd.Series, *, min_rows: int, limit: int) -> list[tuple[str, NDArray[np.bool_]]]:
    """The ``limit`` largest slices with at least ``min_rows`` rows: the value's text and the rows' mask.

    Largest first; equally large ones by value.
    """
    values = values_of(column)
    counts = [(count, text) for text, count in values.value_counts().items() if count >= min_rows]
    chosen = sorted(counts, key=lambda pair: (-pair[0], pair[1]))[:limit]
    return [(str(text), (values == text).to_numpy(dtype=bool)) for _, text in chosen]


def _is(column: pd.Series, condition: Is) -> NDArray[np.bool_]:
    return (values_of(column) == condition.value).to_numpy(dtype=bool)


def _between(column: pd.Series, condition: Between) -> NDArray[np.bool_]:
    import numpy as np

    numbers = numbers_of(column)
    if numbers is None:
        raise DataError(
            f"slice {condition} is a range, and column {condition.column} holds no numbers",
            given=f"dtype {column.dtype}",
            remedy="write column=value; a value that looks like a range stands in double quotes",
        )
    inside = ~np.isnan(numbers)
    if condition.low is not None:
        inside &= numbers >= condition.low
    if condition.high is not None:
        inside &= numbers < condition.high
    return inside
