"""Values that may stand in a log, a record or a message although they name a person."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

#: What stands between the first and the last sign, however much it was.
_HIDDEN = "***"


def mask(value: Any) -> str:
    """The class of a value's first and last sign, and nothing else: ``x***9`` for ``jane.doe42``.

    A letter is ``x``, a digit ``9``, all else ``.``; what is missing is ``null``. Neither a sign of the value nor its
    length can be read from it, so a short value is hidden as well as a long one.
    """
    text = "" if value is None or _is_nan(value) else str(value).strip()
    return f"{_class(text[0])}{_HIDDEN}{_class(text[-1])}" if text else "null"


def mask_all(values: Iterable[Any], most: int = 5) -> tuple[str, ...]:
    """A few different values, masked: those that look alike stand once."""
    found: dict[str, None] = {}
    for value in values:
        found[mask(value)] = None
        if len(found) == most:
            break
    return tuple(found)


@dataclass(frozen=True)
class Masking:
    """Shows examples of columns: as they are, or masked where a column is sensitive.

    :param sensitive: names of columns whose values must not be shown; see
        :func:`airflow_mlops.core.validation.privacy.sensitive_columns`.
    """

    sensitive: Collection[str] = field(default=frozenset())

    def hides(self, columns: Iterable[str]) -> bool:
        """Whether one of these columns is sensitive: then no value that comes from them is shown."""
        return any(column in self.sensitive for column in columns)

    def shown(self, columns: Iterable[str], value: Any) -> str:
        """A value that comes from some columns, as it may be shown."""
        return mask(value) if self.hides(columns) else str(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _class(sign: str) -> str:
    if sign.isalpha():
        return "x"
    return "9" if sign.isnumeric() else "."
