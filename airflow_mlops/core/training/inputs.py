"""The raw columns of a request: their types, and one frame of them for training and serving alike.

A column has one dtype whatever a batch holds: numbers ``float64``, strings ``object`` (None when missing),
booleans ``boolean``, times ``datetime64[ns, UTC]``. So a feature function sees the same in training and at
the endpoint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.version import Column
from airflow_mlops.core.errors import DataError, RequestError
from airflow_mlops.core.training.artifact import InputColumn, Signature

if TYPE_CHECKING:
    import pandas as pd

_KINDS = {
    "number": ("int", "uint", "float", "halffloat", "double", "decimal"),
    "string": ("string", "large_string", "string_view", "utf8", "large_utf8"),
    "boolean": ("bool",),
    "time": ("timestamp", "date"),
}
_EXPECTED = {
    "number": "a finite number or null",
    "string": "a string or null",
    "boolean": "true, false or null",
    "time": "an ISO 8601 time between the years 1678 and 2261, or null",
}
_SHOWN = 60
#: The part of ISO 8601 that Python and pandas read alike: extended form, no week or ordinal dates.
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)?)?\Z", re.ASCII
)


def input_column(column: Column) -> InputColumn:
    """What a request must carry for ``column`` of a dataset version.

    :raises DataError: if its Arrow type is none that a request can carry (lists, structs, bytes, ...).
    """
    arrow = column.type
    if arrow.startswith("dictionary<values="):
        arrow = arrow.removeprefix("dictionary<values=").split(",")[0]
    for kind, starts in _KINDS.items():
        if arrow.startswith(starts):
            return InputColumn(name=column.name, type=kind)
    raise DataError(
        f"column {column.name} can't be a feature",
        given="no value in any row" if arrow == "null" else f"type {arrow}",
        expected="numbers, strings, booleans or times",
        remedy="leave it out of features.columns",
    )


def raw_frame(frame: pd.DataFrame, inputs: Sequence[InputColumn]) -> pd.DataFrame:
    """A new frame of the input columns of ``frame``, in order and in their dtypes; the index is kept.

    :raises DataError: if a column is missing or can't be converted.
    """
    import pandas as pd

    missing = [column.name for column in inputs if column.name not in frame.columns]
    if missing:
        raise DataError(
            f"data lack {', '.join(missing)}",
            given=", ".join(map(str, frame.columns))[:300],
            expected="all of features.columns",
        )
    return pd.DataFrame(
        {column.name: _convert(frame[column.name], column) for column in inputs},
        index=frame.index,
        copy=False,
    )


def rows_frame(rows: Sequence[Mapping[str, Any]], inputs: Sequence[InputColumn]) -> pd.DataFrame:
    """The frame of checked rows of a request: equal to :func:`raw_frame` of the same rows."""
    import pandas as pd

    columns = {column.name: _column([row[column.name] for row in rows], column.type) for column in inputs}
    return pd.DataFrame(columns, copy=False)


def _column(values: list[Any], kind: str) -> Any:
    """The values of one column as an array: making a series of each takes most of a request's time."""
    import numpy as np
    import pandas as pd

    present = [None if value is None or _is_nan(value) else value for value in values]
    if kind == "number":
        return np.array([math.nan if value is None else float(value) for value in present], dtype=np.float64)
    if kind == "boolean":
        return pd.array(present, dtype="boolean")
    if kind == "time":
        return _times(pd.Series(present, dtype=object))
    strings = np.empty(len(present), dtype=object)
    strings[:] = present
    return strings


def _convert(values: pd.Series, column: InputColumn) -> pd.Series:
    import pandas as pd

    try:
        if column.type == "number":
            return values.astype("float64")
        if column.type == "boolean":
            return values.astype("boolean")
        if column.type == "time":
            return _times(values)
        plain = values.astype(object)
        return plain.where(pd.notna(plain), None)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"column {column.name} holds something else than {column.type}s",
            given=" ".join(str(error).split())[:200],
            expected=_EXPECTED[column.type],
        ) from None


def _times(values: pd.Series) -> pd.Series:
    import pandas as pd

    if values.dtype == object:
        texts = [
            None if pd.isna(v) else v if isinstance(v, str) else pd.Timestamp(v).isoformat() for v in values
        ]
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), utc=True, format="ISO8601")
        values = parsed.set_axis(values.index)
    return pd.to_datetime(values, utc=True).astype("datetime64[ns, UTC]")


_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICRO = timedelta(microseconds=1)


def micros(value: Any) -> int | None:
    """A checked time as whole microseconds since 1970 in UTC, rounded down; None for a missing one.

    Reads what :func:`rows_frame` reads, without pandas, which would take most of a request's time.
    """
    if value is None or _is_nan(value):
        return None
    if isinstance(value, str):
        return _micros_of(value)
    time = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return int((time - _EPOCH) // _MICRO)


def _micros_of(text: str) -> int:
    """Of an ISO 8601 time that :data:`_TIME` lets pass."""
    clock = 16 if len(text) > 10 else 10
    seconds = clock == 16 and text[16:17] == ":"
    end = 19 if seconds else clock
    whole = datetime.fromisoformat(text[:end]).replace(tzinfo=timezone.utc)
    rest = text[end:]
    digits = ""
    if rest.startswith("."):
        digits = rest[1:].split("Z")[0].split("+")[0].split("-")[0]
        rest = rest[1 + len(digits) :]
    offset = timedelta(0)
    if rest not in ("", "Z"):
        offset = timedelta(hours=int(rest[1:3]), minutes=int(rest[-2:])) * (-1 if rest[0] == "-" else 1)
    return (whole - offset - _EPOCH) // _MICRO + int(digits[:6].ljust(6, "0"))


class RowChecker:
    """Checks the rows of a request against a signature. Safe to use from many threads.

    :param signature: what the model is called with.
    """

    def __init__(self, signature: Signature) -> None:
        self._checks: tuple[tuple[InputColumn, Callable[[Any], bool]], ...] = tuple(
            (column, _CHECKS[column.type]) for column in signature.inputs
        )
        self._known = frozenset(column.name for column in signature.inputs) | frozenset(signature.allowed)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Check every row; None and NaN are missing values, which are allowed.

        :raises RequestError: for no rows, a row that is no mapping, missing or extra features, or wrong
            types; names the row (from 0) and the feature.
        """
        if not rows:
            raise RequestError("request has no rows", expected="at least one row")
        for number, row in enumerate(rows):
            if not isinstance(row, Mapping):
                raise RequestError(
                    f"row {number} is not an object",
                    given=type(row).__name__,
                    expected="an object of features by name",
                )
            self._check_names(number, row)
            self._check_types(number, row)

    def _check_names(self, number: int, row: Mapping[str, Any]) -> None:
        missing = [column.name for column, _ in self._checks if column.name not in row]
        if missing:
            raise RequestError(
                f"row {number} lacks {', '.join(missing)}",
                expected=", ".join(column.name for column, _ in self._checks),
                remedy="send null for an unknown value",
            )
        if not self._known.issuperset(row):
            extra = sorted(map(str, set(row) - self._known))
            raise RequestError(
                f"row {number} has unknown features {', '.join(extra)[: _SHOWN * 4]}",
                expected=f"only {', '.join(sorted(self._known))}",
            )

    def _check_types(self, number: int, row: Mapping[str, Any]) -> None:
        for column, fits in self._checks:
            value = row[column.name]
            if value is not None and not fits(value) and not _is_nan(value):
                shown = repr(value)
                raise RequestError(
                    f"row {number}, feature {column.name} is no {column.type}",
                    given=shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}...",
                    expected=_EXPECTED[column.type],
                )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return _is_numpy_number(value)
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _is_numpy_number(value: Any) -> bool:
    import numpy as np

    return isinstance(value, (np.integer, np.floating)) and bool(np.isfinite(value))


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        if not _TIME.match(value):
            return False
        try:
            value = datetime.fromisoformat(
                value[:19] if len(value) >= 19 and value[16] == ":" else value[:16]
            )
        except ValueError:
            return False
    return isinstance(value, datetime) and 1678 <= value.year <= 2261


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "number": _is_number,
    "string": _is_string,
    "boolean": _is_boolean,
    "time": _is_time,
}
