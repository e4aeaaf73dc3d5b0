"""Whatever Great Expectations hands back, as plain JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

_SHOWN = 60


def plain(value: Any) -> Any:
    """``value`` with nothing in it but what JSON has.

    NaN, NaT and NA become None, infinities the strings ``inf`` and ``-inf``, times ISO 8601, what is unknown its
    text.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((plain(one) for one in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy: arrays and scalars
        native = value.tolist()
        return plain(native) if native is not value and type(native) is not type(value) else str(value)
    if _is_missing(value):
        return None
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int) else str(value)


def _is_missing(value: Any) -> bool:
    """NaN and NaT differ from themselves; pandas' NA does not even say."""
    try:
        return bool(value != value)  # noqa: PLR0124
    except TypeError:
        return True


def shown(value: Any) -> str:
    """``value`` for people, short and on one line; empty for a missing one."""
    found = plain(value)
    if isinstance(found, dict):
        text = ", ".join(f"{name}={shown(one) or 'null'}" for name, one in found.items())
    elif isinstance(found, list):
        text = ", ".join(shown(one) or "null" for one in found)
    else:
        text = "" if found is None else f"{found:g}" if isinstance(found, float) else str(found)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
