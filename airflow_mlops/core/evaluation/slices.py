"""Slices: the rows that share a value of one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError
from airflow_mlops.core.training.matrix import level_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MISSING = "(missing)"


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
            remedy="leave it out of evaluation.slices and of the gates",
        ) from None
    return column.map(texts).astype(object).where(column.notna(), MISSING)


def largest_slices(column: pd.Series, *, min_rows: int, limit: int) -> list[tuple[str, NDArray[np.bool_]]]:
    """The ``limit`` largest slices with at least ``min_rows`` rows: the value's text and the rows' mask.

    Largest first; equally large ones by value.
    """
    values = values_of(column)
    counts = [(count, text) for text, count in values.value_counts().items() if count >= min_rows]
    chosen = sorted(counts, key=lambda pair: (-pair[0], pair[1]))[:limit]
    return [(str(text), (values == text).to_numpy(dtype=bool)) for _, text in chosen]
