"""Further columns that the audit looks at, such as those known only after the outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.files import check_columns
from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.training.inputs import input_column, raw_frame
from airflow_mlops.core.training.strength import strength

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec

#: A text with more different values than these names rows, and says nothing of others.
_MOST_LEVELS = 50


def evidence_columns(spec: ModelSpec, version: DatasetVersion) -> tuple[str, ...]:
    """The columns that ``labels.evidence`` names; without it, all numbers, booleans and short lists of texts that are
    no feature, label, id or time.

    :raises DataError: if a named column is not in the data, or is the label.
    """
    named = spec.labels.evidence if spec.labels else None
    if named is not None:
        check_columns(
            dict.fromkeys(named, "labels.evidence"),
            [column.name for column in version.columns],
            f"dataset version {version.name}@{version.id}",
        )
        if spec.data.label in named:
            raise DataError("labels.evidence names the label itself", given=spec.data.label)
        return named
    taken = {spec.data.label, spec.data.id, spec.data.event_time, *spec.features.columns}
    return tuple(one.name for one in version.columns if one.name not in taken and _is_usable(one))


def evidence_frame(
    frame: pd.DataFrame, names: tuple[str, ...], version: DatasetVersion, labels: NDArray[np.float64]
) -> pd.DataFrame:
    """The columns as features. One that repeats the label without exception is left out: it may be a copy of it, which
    would bear out every error.

    :param frame: the labelled rows.
    """
    columns = {column.name: column for column in version.columns}
    found = raw_frame(frame, [input_column(columns[name]) for name in names])
    times = [name for name in names if input_column(columns[name]).type == "time"]
    found[times] = found[times].astype("int64").astype("float64")
    copies = [name for name in names if strength(found[name], labels, "binary") >= 1.0]
    return found.drop(columns=copies)


def _is_usable(column: Column) -> bool:
    try:
        kind = input_column(column).type
    except DataError:
        return False
    if kind == "string":
        return column.distinct is not None and column.distinct <= _MOST_LEVELS
    return kind in ("number", "boolean")
