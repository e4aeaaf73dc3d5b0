"""Which raw columns each feature is made of: measured, by changing one column at a time.

It works alike for a function and for a statement, as both are row by row: in a sample of rows one column at a time is
given other values, and a feature that then differs is made of it. All columns are changed in one call, as blocks of
rows. What no change of the sample shows, such as a branch for a value that is in none of its rows, is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.training.artifact import ColumnLineage, InputColumn
from airflow_mlops.core.training.features import FeatureSource, compile_function
from airflow_mlops.core.training.inputs import raw_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.core.training.features import FeatureFunction

#: Rows of the sample; fewer where there are many columns, so that a call never computes more cells than these.
_ROWS = 200
_CELLS = 2_000_000
_LEAST_ROWS = 8


def lineage_of_features(
    source: FeatureSource | None,
    inputs: Sequence[InputColumn],
    frame: pd.DataFrame,
    features: Sequence[str],
    progress: Progress = ignore,
) -> ColumnLineage | None:
    """The raw columns of each feature; None where it can't be told, which fails no training.

    :param frame: rows of the training part; the sample is spread evenly over them.
    :param features: names of the features, in order.
    """
    names = [column.name for column in inputs]
    if source is None:
        return ColumnLineage(how="identity", columns={name: (name,) for name in features})
    rows = min(_ROWS, _CELLS // max(1, len(names)) ** 2)
    if rows < _LEAST_ROWS:
        progress(f"column lineage is not measured: {len(names):,} raw columns are too many")
        return None
    try:
        step = max(1, len(frame) // rows)
        sample = raw_frame(frame.iloc[::step].head(rows).reset_index(drop=True), inputs)
        found = _measured(compile_function(source, inputs), sample, features)
    except Exception as error:  # the user's code may fail in any way on rows that never were
        progress(f"column lineage could not be measured: {type(error).__name__}: {error}"[:300])
        return None
    ordered = {name: tuple(column for column in names if column in found[name]) for name in features}
    return ColumnLineage(how="measured", columns=ordered)


def _measured(
    function: FeatureFunction, sample: pd.DataFrame, features: Sequence[str]
) -> dict[str, set[str]]:
    """The columns whose change changes a feature, by feature.

    :raises Exception: what the function raises on the sample as it is, or on every changed one.
    """
    found: dict[str, set[str]] = {name: set() for name in features}
    before = function(sample.copy())
    failures: list[Exception] = []
    for change in _CHANGES:
        try:
            _compare(function, sample, before, change, found)
        except Exception as error:  # e.g. of a function that takes no nulls; the other changes tell enough
            failures.append(error)
    if len(failures) == len(_CHANGES):
        raise failures[0]
    return found


def _compare(
    function: FeatureFunction,
    sample: pd.DataFrame,
    before: pd.DataFrame,
    change: Callable[[pd.Series], pd.Series],
    found: dict[str, set[str]],
) -> None:
    """Change every column in a block of rows of its own, and add what differs to ``found``."""
    import numpy as np
    import pandas as pd

    names, rows = list(sample.columns), len(sample)
    again = np.tile(np.arange(rows), len(names))
    blocks = {}
    for place, name in enumerate(names):
        values = sample[name].take(again).reset_index(drop=True)
        values.iloc[place * rows : (place + 1) * rows] = change(sample[name]).array
        blocks[name] = values
    after = function(pd.DataFrame(blocks, copy=False))
    for feature, columns in found.items():
        codes = _codes(before[feature], after[feature])
        differs = (codes[rows:].reshape(len(names), -1) != codes[:rows]).any(axis=1)
        columns.update(name for name, changed in zip(names, differs, strict=True) if changed)


def _codes(before: pd.Series, after: pd.Series) -> NDArray[np.intp]:
    """Both, one after the other, as numbers that are equal where the values are; all that is missing is -1."""
    import pandas as pd

    alike = before.dtype == after.dtype and not isinstance(before.dtype, pd.CategoricalDtype)
    parts = [before, after] if alike else [before.astype(object), after.astype(object)]
    codes: NDArray[np.intp] = pd.factorize(pd.concat(parts, ignore_index=True))[0]
    return codes


def _other_rows(values: pd.Series) -> pd.Series:
    """The values of other rows of the sample, so that all are values that there are."""
    import numpy as np
    import pandas as pd

    return pd.Series(np.roll(values.array, max(1, len(values) // 2)), index=values.index, dtype=values.dtype)


def _missing(values: pd.Series) -> pd.Series:
    """No values at all."""
    import pandas as pd

    return pd.Series([None] * len(values), index=values.index, dtype=values.dtype)


def _moved(values: pd.Series) -> pd.Series:
    """Values that are new: columns that are constant, or missing everywhere, have no others to take."""
    import pandas as pd
    from pandas.api import types

    if types.is_bool_dtype(values.dtype):
        return (~values).fillna(True)
    if types.is_datetime64_any_dtype(values.dtype):
        return (values + pd.Timedelta(days=41, hours=7, minutes=13)).fillna(
            pd.Timestamp("2020-02-29", tz="UTC")
        )
    if types.is_numeric_dtype(values.dtype):
        return (values * 1.25 + 3).fillna(1.0)
    return values.map(lambda one: "x" if one is None else f"{one}x")


_CHANGES: tuple[Callable[[Any], Any], ...] = (_other_rows, _missing, _moved)
