r"""Regular expressions of Python as RE2 has them, where both provably match the same texts.

Python's parser reads the pattern, so nothing is guessed; what RE2 lacks or reads in another way (lookaround, references
back, flags, word boundaries) is not translated. The result holds for texts of ASCII without a line break: classes such
as ``\d`` know all of Unicode in Python, and ``$`` also matches before a final line break there.
"""

from __future__ import annotations

import re
import sys
import warnings
from importlib import import_module
from typing import Any

_MOST_REPEATS = 100
_LONGEST = 1000
_CLASSES = {
    "CATEGORY_DIGIT": "0-9",
    "CATEGORY_WORD": "0-9A-Za-z_",
    "CATEGORY_SPACE": r"\x09-\x0d\x1c-\x20",
}
_NOT_CLASSES = {
    "CATEGORY_NOT_DIGIT": r"\x00-/:-\x7f",
    "CATEGORY_NOT_WORD": r"\x00-/:-@\[-\^`\{-\x7f",
    "CATEGORY_NOT_SPACE": r"\x00-\x08\x0e-\x1b!-\x7f",
}


class _OnlyPython(Exception):
    """The pattern has something that RE2 lacks or reads in another way."""


def to_re2(pattern: str) -> str | None:
    """The pattern for RE2, to be searched for anywhere in a text; None if there is none that matches alike."""
    if not pattern.isascii() or len(pattern) > _LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = _parse(pattern)
        return _sequence(tree)
    except (re.error, _OnlyPython, ValueError, OverflowError, RecursionError, Warning):
        return None


def _parse(pattern: str) -> Any:
    parser: Any = import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
    tree = parser.parse(pattern)
    if tree.state.flags & ~re.UNICODE:
        raise _OnlyPython
    return tree


def _sequence(tree: Any) -> str:
    return "".join(_one(str(op), argument) for op, argument in tree)


def _one(op: str, argument: Any) -> str:
    simple = {
        "LITERAL": _sign,
        "NOT_LITERAL": lambda code: f"[^{_sign(code)}]",
        "ANY": lambda _: r"[^\x0a]",
        "IN": _class,
        "AT": _place,
    }
    if op in simple:
        return str(simple[op](argument))
    if op == "BRANCH":
        return f"(?:{'|'.join(_sequence(branch) for branch in argument[1])})"
    if op == "SUBPATTERN":
        _, added, removed, inner = argument
        if added or removed:
            raise _OnlyPython
        return f"(?:{_sequence(inner)})"
    if op in {"MAX_REPEAT", "MIN_REPEAT"}:
        return _repeat(*argument)
    raise _OnlyPython


def _repeat(least: int, most: Any, inner: Any) -> str:
    endless = str(most) == "MAXREPEAT"
    if least > _MOST_REPEATS or (not endless and int(most) > _MOST_REPEATS):
        raise _OnlyPython
    text = _sequence(inner)
    if "{" in text:
        raise _OnlyPython  # repeats of repeats multiply, and RE2 has a limit
    return f"(?:{text}){{{least},{'' if endless else int(most)}}}"


def _place(where: Any) -> str:
    places = {"AT_BEGINNING": r"\A", "AT_BEGINNING_STRING": r"\A", "AT_END": r"\z", "AT_END_STRING": r"\z"}
    if str(where) not in places:
        raise _OnlyPython
    return places[str(where)]


def _class(parts: Any) -> str:
    inside, negated = [], ""
    for op, argument in parts:
        name = str(op)
        if name == "NEGATE":
            negated = "^"
        elif name == "LITERAL":
            inside.append(_sign(argument))
        elif name == "RANGE":
            inside.append(f"{_sign(argument[0])}-{_sign(argument[1])}")
        elif name == "CATEGORY" and str(argument) in {**_CLASSES, **_NOT_CLASSES}:
            inside.append({**_CLASSES, **_NOT_CLASSES}[str(argument)])
        else:
            raise _OnlyPython
    return f"[{negated}{''.join(inside)}]"


def _sign(code: int) -> str:
    if code > 0x7F:
        raise _OnlyPython
    return f"\\x{code:02x}"
