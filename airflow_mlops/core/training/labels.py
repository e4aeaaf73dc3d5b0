"""Labels as numbers, checked before anything is fitted or measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


def labels_of(
    frame: pd.DataFrame, label: str, objective: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which rows have a label, and those labels as numbers.

    :param objective: ``binary`` (0 or 1, false or true) or ``regression`` (finite numbers).
    :raises DataError: for other values.
    """
    import numpy as np

    values = frame[label]
    present: NDArray[np.bool_] = values.notna().to_numpy(dtype=bool)
    numbers: NDArray[np.float64]
    try:
        numbers = np.asarray(values[present].astype("float64"), dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.full((1,), np.nan, dtype=np.float64)
    if objective == "binary" and not np.isin(numbers, (0.0, 1.0)).all():
        shown = ", ".join(repr(value)[:60] for value in values[present].unique()[:5].tolist())
        raise DataError(
            f"label {label} is not binary",
            given=shown,
            expected="0 and 1, or false and true",
            remedy="derive the label in the data, or set training.objective to regression",
        )
    if not np.isfinite(numbers).all():
        raise DataError(
            f"label {label} is not numeric and finite",
            given=f"type {values.dtype}",
            expected="finite numbers",
        )
    return present, numbers


def require_two_values(labels: NDArray[np.float64], label: str, part: str) -> None:
    """Check that there is something to learn or to tell apart.

    :raises DataError: if there is no label, or all labels are the same.
    """
    import numpy as np

    distinct = np.unique(labels)
    if len(distinct) < 2:
        given = f"only {distinct[0]:g} in {len(labels)} rows" if len(distinct) else "no row with a label"
        raise DataError(
            f"label {label} has not two different values in the {part} part",
            given=given,
            expected="both outcomes",
            remedy="take a longer time range, or change split",
        )
