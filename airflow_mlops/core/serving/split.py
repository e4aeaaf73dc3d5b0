"""Which variant answers a request: a hash of a stable key, so that one key stays with one variant.

The hash is a point in [0, 1); the challenger takes the points below its weight. So a rising weight only moves
keys from the champion to the challenger, never back, and the same key meets the same variant on every server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

_SCALE = 2.0**64


def key_of(model: str, row: Mapping[str, Any], columns: Sequence[str], inference_id: str) -> str:
    """The key that assigns a request: 16 hex digits of a SHA-256 over the key columns of its first row.

    :param model: salts the hash, so that two models split the same callers independently.
    :param columns: the key columns; without any, or when the row lacks one, the inference id is the key.
    """
    values = [plain_text(row[name]) for name in columns if name in row]
    parts = values if columns and len(values) == len(columns) else [inference_id]
    return hashlib.sha256("\x00".join((model, *parts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def takes_challenger(key: str, weight: float) -> bool:
    """Whether the challenger answers the requests of this key at this weight (its share, 0 to 1)."""
    return int(key, 16) / _SCALE < weight


def plain_text(value: Any) -> str:
    """A value as text that does not depend on how it was written: 5, 5.0 and the text "5" are the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
