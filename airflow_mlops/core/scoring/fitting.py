"""Columns of a source as a model is called with them, and the rows whose values it can't be called with.

Stricter than an endpoint nowhere, and kinder in one respect: one bad cell makes a whole column of a CSV file text, so
text that is a number, a time, ``true`` or ``false`` counts as what it says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.event_time import to_utc

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: What is said of a row whose value does not fit, after the column's name.
EXPECTED = {
    "number": "no finite number",
    "string": "no text",
    "boolean": "neither true nor false",
    "time": "no time between the years 1678 and 2261",
}


def fit(values: Any, kind: str) -> tuple[Any, npt.NDArray[np.bool_]]:
    """Values of one column as a model takes them, and which of them are none such; those are null.

    :param values: an Arrow array.
    :param kind: ``number``, ``string``, ``boolean`` or ``time``, of an input of a signature.
    """
    import numpy as np
    import pyarrow as pa

    if pa.types.is_null(values.type):
        return values, np.zeros(len(values), dtype=bool)
    fitted = _KINDS[kind](values)
    if fitted is None:
        fitted = pa.nulls(len(values), _empty(kind))
    bad = values.is_valid().to_numpy(zero_copy_only=False) & fitted.is_null().to_numpy(zero_copy_only=False)
    return fitted, bad


def _numbers(values: Any) -> Any:
    """Finite numbers as floats; NaN is a missing value and stays."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    kind = values.type
    if _is_text(kind):
        values = _parsed_numbers(values)
    elif types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        values = values.cast(pa.float64(), safe=False)
    else:
        return None
    return pc.if_else(pc.is_inf(values), pa.scalar(None, pa.float64()), values)


def _parsed_numbers(values: Any) -> Any:
    import pandas as pd
    import pyarrow as pa

    parsed = pd.to_numeric(values.to_pandas(), errors="coerce")
    return pa.Array.from_pandas(parsed.astype("float64"), type=pa.float64())


def _text(values: Any) -> Any:
    """Text; whole numbers as their digits, which a CSV file can't tell from text."""
    import pyarrow as pa
    from pyarrow import types

    if _is_text(values.type):
        return values
    return values.cast(pa.string()) if types.is_integer(values.type) else None


def _booleans(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_boolean(values.type):
        return values
    if not _is_text(values.type):
        return None
    lower = pc.utf8_lower(values)
    truth = pc.equal(lower, "true")
    known = pc.or_(truth, pc.equal(lower, "false"))
    return pc.if_else(known, truth, pa.scalar(None, pa.bool_()))


def _times(values: Any) -> Any:
    from pyarrow import types

    kind = values.type
    if not (types.is_timestamp(kind) or types.is_date(kind) or _is_text(kind)):
        return None
    return to_utc(values)


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def _empty(kind: str) -> Any:
    import pyarrow as pa

    return {"number": pa.float64(), "string": pa.string(), "boolean": pa.bool_()}.get(
        kind, pa.timestamp("us", tz="UTC")
    )


_KINDS: dict[str, Callable[[Any], Any]] = {
    "number": _numbers,
    "string": _text,
    "boolean": _booleans,
    "time": _times,
}
