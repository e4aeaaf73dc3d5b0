"""What names a row in any version of a data set: its ``data.id``, else a fingerprint of its time and features.

A fingerprint stands with a number, since equal rows share it; they can't be told apart, so it does not matter which of
them a correction meets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.training.inputs import input_column, raw_frame

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.spec import ModelSpec


def key_columns(spec: ModelSpec) -> list[str]:
    """The columns that keys are made of."""
    names = [spec.data.event_time, *spec.features.columns]
    return list(dict.fromkeys(names + ([spec.data.id] if spec.data.id else [])))


def row_keys(spec: ModelSpec, version: DatasetVersion, frame: pd.DataFrame) -> pd.Series:
    """A key for each row; where ids stand for several rows, those rows get fingerprints.

    :param frame: all rows of the version, in the order of the files, with at least :func:`key_columns`.
    """
    keys = _fingerprints(spec, version, frame)
    if spec.data.id is None:
        return keys
    ids = frame[spec.data.id]
    usable = ids.notna() & ~ids.duplicated(keep=False)
    return keys.where(~usable, ids.map(id_text))


def id_text(value: object) -> str:
    """An id as text, alike whether a column came as whole numbers or, for one missing value, as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"id {value}"


def equal_rows(spec: ModelSpec, version: DatasetVersion, frame: pd.DataFrame) -> NDArray[np.int64]:
    """For each row the number of its group of rows with equal raw columns."""
    import pandas as pd

    places, _ = pd.factorize(_hashes(spec, version, frame))
    return places.astype("int64")


def _fingerprints(spec: ModelSpec, version: DatasetVersion, frame: pd.DataFrame) -> pd.Series:
    import pandas as pd

    times = pd.to_datetime(frame[spec.data.event_time], utc=True).dt.as_unit("us").astype("int64")
    mixed = _hashes(spec, version, frame) ^ pd.util.hash_pandas_object(times, index=False)
    number = mixed.groupby(mixed).cumcount()
    return mixed.map("{:016x}".format) + "-" + number.astype(str)


def _hashes(spec: ModelSpec, version: DatasetVersion, frame: pd.DataFrame) -> pd.Series:
    import pandas as pd

    columns = {column.name: column for column in version.columns}
    raw = raw_frame(frame, [input_column(columns[name]) for name in spec.features.columns])
    # Hashes of booleans with missing values depend on their dtype; as floats they do not.
    plain = raw.astype({name: "float64" for name, kind in raw.dtypes.items() if str(kind) == "boolean"})
    return pd.util.hash_pandas_object(plain, index=False)
