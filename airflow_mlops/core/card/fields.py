"""The fields of a stored spec, which may be older than the present ones: read without asking whether they are valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def field(spec: Mapping[str, Any], *path: str) -> Any:
    """What stands at a path, None where there is nothing."""
    found: Any = spec
    for name in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def said(spec: Mapping[str, Any], *path: str) -> str:
    """The text at a path; empty where there is none."""
    found = field(spec, *path)
    return found.strip() if isinstance(found, str) else ""


def several(spec: Mapping[str, Any], *path: str) -> list[Any]:
    """The list at a path; empty where there is none."""
    found = field(spec, *path)
    return list(found) if isinstance(found, (list, tuple)) else []
