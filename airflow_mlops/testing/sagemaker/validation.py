"""Checks requests and answers against botocore's models, as strictly and in the words that AWS does.

Botocore itself leaves patterns, greatest values and enums to the server.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

#: What Java's regular expressions have and Python's don't, close enough; classes as they stand inside ``[]``.
_CLASSES = {
    "L": r"\w",
    "M": r"\w",
    "N": r"\d",
    "Z": r"\s",
    "P": r"!-/:-@\[-`{-~",
    "S": r"$+<=>^`|~",
    "Alnum": "a-zA-Z0-9",
    "Print": " -~",
}
_PAIRS = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF")
_END = re.compile(r"\$\{1,\d+\}")
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "character": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "timestamp": (datetime,),
    "blob": (bytes, str),
    "list": (list, tuple),
    "map": (dict,),
    "structure": (dict,),
}


def problems(shape: Any, value: dict[str, Any]) -> str | None:
    """What is wrong with a request or an answer, in AWS's words; None if nothing is.

    :param shape: botocore's shape of it; None stands for one without members.
    """
    if shape is None:
        return f"unknown members: {', '.join(value)}" if value else None
    found = list(_structure(shape, value, ""))
    if not found:
        return None
    plural = "" if len(found) == 1 else "s"
    return f"{len(found)} validation error{plural} detected: {'; '.join(found)}"


def _check(shape: Any, value: Any, path: str) -> Iterator[str]:
    kinds = _KINDS.get(shape.type_name, (object,))
    fits = isinstance(value, kinds) and (shape.type_name == "boolean" or not isinstance(value, bool))
    if not fits:
        yield _failed(value, path, f"Member must be of type {shape.type_name}")
    elif shape.type_name == "structure":
        yield from _structure(shape, value, path)
    elif shape.type_name == "list":
        yield from _size(shape, value, path)
        for number, one in enumerate(value, 1):
            yield from _check(shape.member, one, f"{path}.{number}.member")
    elif shape.type_name == "map":
        yield from _size(shape, value, path)
        for key, one in value.items():
            yield from _check(shape.key, key, f"{path}.key")
            yield from _check(shape.value, one, f"{path}.{key}.member")
    elif shape.type_name == "string":
        yield from _text(shape, value, path)
    elif shape.type_name in {"integer", "long", "float", "double"}:
        yield from _number(shape, value, path)


def _structure(shape: Any, value: dict[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield _failed(None, _below(path, name), "Member must not be null")
    for name, one in value.items():
        if name not in shape.members:
            yield f"Unknown member '{_below(path, name)}'"
        elif one is not None:
            yield from _check(shape.members[name], one, _below(path, name))


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        listed = ", ".join(shape.enum)
        yield _failed(value, path, f"Member must satisfy enum value set: [{listed}]")
    yield from _size(shape, value, path)
    pattern = shape.metadata.get("pattern")
    compiled = _compiled(pattern) if pattern else None
    if compiled is not None and not compiled.fullmatch(value):
        yield _failed(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _size(shape: Any, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and len(value) < least:
        yield _failed(value, path, f"Member must have length greater than or equal to {least}")
    if most is not None and len(value) > most:
        yield _failed(value, path, f"Member must have length less than or equal to {most}")


def _number(shape: Any, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and value < least:
        yield _failed(value, path, f"Member must have value greater than or equal to {least}")
    if most is not None and value > most:
        yield _failed(value, path, f"Member must have value less than or equal to {most}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """The pattern; None for the few that only Java understands, which go unchecked."""

    def translated(match: re.Match[str]) -> str:
        inside = _CLASSES[match[1]]
        opened = match.string.count("[", 0, match.start()) > match.string.count("]", 0, match.start())
        return inside if opened else f"[{inside}]"

    text = re.sub(r"\\p\{(\w+?)\}", translated, _END.sub("$", pattern.replace(*_PAIRS)))
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return None


def _failed(value: Any, path: str, constraint: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: {constraint}"


def _below(path: str, name: str) -> str:
    lower = name[:1].lower() + name[1:]
    return f"{path}.{lower}" if path else lower
