"""Globs below a root, with one meaning on a folder and on S3."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from airflow_mlops.core.errors import DataError

_WILD = frozenset("*?[")


def check_path(path: str) -> tuple[str, ...]:
    """The parts of a relative path or glob that can't lead out of its root.

    :raises DataError: for an absolute path, an empty one, or one with ``.`` or ``..`` as a part.
    """
    parts = tuple(path.split("/"))
    if path.startswith("~") or "\\" in path or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise DataError(
            "path could leave the data root", given=repr(path), expected="a relative path without .."
        )
    return parts


def fixed_prefix(parts: Sequence[str]) -> tuple[str, ...]:
    """The leading parts of a glob that hold no wildcard; never the last part."""
    for length, part in enumerate(parts[:-1]):
        if _WILD & set(part):
            return tuple(parts[:length])
    return tuple(parts[:-1])


def name_matches(name: str, part: str) -> bool:
    """Whether one name matches one part of a glob; a wildcard does not match a leading dot, as in a shell."""
    hidden = name.startswith(".") and not part.startswith(".")
    return bool(name) and not hidden and fnmatchcase(name, part)


def path_matches(path: Sequence[str], parts: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a glob; ``**`` stands for any number of folders."""
    if not parts:
        return not path
    if parts[0] == "**":
        depth = 0
        while depth < len(path) and not path[depth].startswith("."):
            depth += 1
        return any(path_matches(path[skip:], parts[1:]) for skip in range(depth + 1))
    return bool(path) and name_matches(path[0], parts[0]) and path_matches(path[1:], parts[1:])
