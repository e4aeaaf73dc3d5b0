"""How a slice is written: ``carrier=UA & distance=[500,1000)``.

A condition is ``column=value`` or a range ``column=[low,high)`` of which one end may be open; `` & `` (with blanks)
joins several. Columns and values that would read as something else stand in double quotes, with the escapes of
JSON: ``company="Smith & Sons"``.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from airflow_mlops.core.errors import SpecError

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_CONDITION = re.compile(
    rf"(?P<column>{_QUOTED}|[^=]+?)=(?P<value>{_QUOTED}|.+?)(?:\Z|\s+&\s+)",
    re.DOTALL,
)
_RANGE = re.compile(r"\[\s*(?P<low>[^,\s]*)\s*,\s*(?P<high>[^,\s]*)\s*\)")
_LIKE_A_RANGE = re.compile(r"\[[^,]*,[^,]*[\])]")
#: Where a plain text could be read otherwise: at its ends, and beside an ampersand.
_UNSAFE = re.compile(r'^[\s"]|\s$|\s&|&\s')
_EXPECTED = "column=value or column=[low,high), e.g. carrier=UA & distance=[500,1000)"


@dataclass(frozen=True)
class Is:
    """The column has this value, as text."""

    column: str
    value: str

    def __str__(self) -> str:
        plain = f"{self.column}={self.value}"
        if _is_plain_name(self.column) and not _UNSAFE.search(self.value) and _reads_as(plain, self):
            return plain
        return f"{_named(self.column)}={_quote(self.value)}"


@dataclass(frozen=True)
class Between:
    """``low <= column < high``; None is an open end, at most one of them."""

    column: str
    low: float | None
    high: float | None

    def __str__(self) -> str:
        return f"{_named(self.column)}=[{_number(self.low)},{_number(self.high)})"


Condition = Is | Between


def parse_slice(text: str) -> tuple[Condition, ...]:
    """The conditions of a slice, all of which its rows meet. ``str`` of each gives its text again.

    :raises SpecError: if the text is none, saying where it stops to make sense.
    """
    found: list[Condition] = []
    place = 0
    while place < len(text) or not found:
        match = _CONDITION.match(text, place)
        if match is None:
            rest = f" at {text[place:]!r}" if place else ""
            raise SpecError(
                f"slice is malformed{rest}",
                given=repr(text),
                expected=_EXPECTED,
                remedy='a value that holds " & " stands in double quotes' if place else None,
            )
        found.append(_condition(_unquoted(match["column"], text), match["value"], text))
        place = match.end()
    return tuple(found)


def slice_text(conditions: tuple[Condition, ...]) -> str:
    """What :func:`parse_slice` reads."""
    return " & ".join(map(str, conditions))


def single_value(text: str) -> tuple[str, str] | None:
    """Column and value of a slice that is one ``column=value``; None for ranges and for several conditions.

    :raises SpecError: if it is malformed.
    """
    conditions = parse_slice(text)
    only = conditions[0]
    return (only.column, only.value) if len(conditions) == 1 and isinstance(only, Is) else None


def _condition(column: str, value: str, text: str) -> Condition:
    if value.startswith('"'):
        return Is(column, _unquoted(value, text))
    if match := _RANGE.fullmatch(value):
        return _range(column, match["low"], match["high"], text)
    if _LIKE_A_RANGE.fullmatch(value):
        raise SpecError(
            "range of a slice is malformed",
            given=repr(text),
            expected="[low,high), [low,) or [,high)",
            remedy=f"if it is a value, put it in double quotes: {column}={_quote(value)}",
        )
    return Is(column, value)


def _range(column: str, low: str, high: str, text: str) -> Between:
    try:
        ends = [float(end) if end else None for end in (low, high)]
    except ValueError:
        ends = [math.nan, math.nan]
    given = [end for end in ends if end is not None]
    if not given or not all(map(math.isfinite, given)) or (len(given) == 2 and given[0] >= given[1]):
        raise SpecError(
            "range of a slice is malformed",
            given=repr(text),
            expected="numbers with low < high, one of which may be left out: [500,1000), [500,) or [,1000)",
            remedy="if it is a value, put it in double quotes",
        )
    return Between(column, *ends)


def _unquoted(part: str, text: str) -> str:
    if not (len(part) > 1 and part[0] == part[-1] == '"'):
        return part
    try:
        return str(json.loads(part))
    except ValueError:
        raise SpecError(
            "slice is malformed: between double quotes only the escapes of JSON are known", given=repr(text)
        ) from None


def _reads_as(text: str, condition: Condition) -> bool:
    try:
        return parse_slice(text) == (condition,)
    except SpecError:
        return False


def _named(column: str) -> str:
    return str(column) if _is_plain_name(column) else _quote(column)


def _is_plain_name(column: str) -> bool:
    return bool(column) and not set('"=') & set(column) and not _UNSAFE.search(column)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _number(end: float | None) -> str:
    """The shortest text that reads as the same number."""
    if end is None:
        return ""
    number = float(end)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
