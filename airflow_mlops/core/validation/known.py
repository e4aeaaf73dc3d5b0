"""Arguments of the common expectations, recognised without importing Great Expectations, which takes six seconds.

Only the plain form is recognised: every argument known and of exactly the right kind. Anything else is left to Great
Expectations, which takes it or says what is wrong, so there is one judge of what is an error.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Literal

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
_FIRST_YEAR, _LAST_YEAR = 1678, 2261
_WHOLE = 1 << 53

#: What a kind of expectation judges: each row, an aggregate of a column, or the table as a whole.
Level = Literal["row", "column", "table"]


class NotPlain(Exception):
    """An argument that has to be looked at by Great Expectations."""


@dataclass(frozen=True)
class Known:
    """An expectation type.

    :param fields: for each argument, in the order of Great Expectations, what reads it: returns the value as it would
        be held there, or raises :class:`NotPlain`.
    :param required: arguments that have to be there.
    :param one_of: arguments of which at least one has to be there.
    """

    level: Level
    fields: Mapping[str, Callable[[Any], Any]]
    required: tuple[str, ...] = ()
    one_of: tuple[str, ...] = ()


def recognise(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments as Great Expectations holds them; None if it has to look at them itself."""
    known = KNOWN.get(kind)
    if known is None or not set(known.required) <= set(arguments) <= set(known.fields):
        return None
    if known.one_of and not set(known.one_of) & set(arguments):
        return None
    try:
        read = {name: take(arguments[name]) for name, take in known.fields.items() if name in arguments}
    except (NotPlain, ValueError, OverflowError):
        return None
    return None if _upside_down(read) else read


def level_of(kind: str) -> Level | None:
    """What a type judges, None for one that is not in the table."""
    known = KNOWN.get(kind)
    return known.level if known else None


def _upside_down(read: Mapping[str, Any]) -> bool:
    low, high = read.get("min_value"), read.get("max_value")
    if low is None or high is None:
        return False
    if type(low) is not type(high):
        return True
    return bool(_comparable(low) > _comparable(high))


def _comparable(limit: Any) -> Any:
    """A time without a zone is taken as UTC."""
    if isinstance(limit, datetime) and limit.tzinfo is None:
        return limit.replace(tzinfo=timezone.utc)
    return limit


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise NotPlain
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NotPlain
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _WHOLE:
        raise NotPlain
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise NotPlain
    if isinstance(value, int) and abs(value) > _WHOLE:
        raise NotPlain
    return float(value)


def _share(value: Any) -> float:
    number = _number(value)
    if not 0 <= number <= 1:
        raise NotPlain
    return number


def _limit(value: Any) -> Any:
    """A number, or a date or time in ISO 8601."""
    if not isinstance(value, str):
        return _number(value)
    if not value.isascii() or not (_DATE.fullmatch(value) or _TIME.fullmatch(value)):
        raise NotPlain
    if not _FIRST_YEAR <= int(value[:4]) <= _LAST_YEAR:
        raise NotPlain
    if len(value) == len("2013-01-01"):
        return date.fromisoformat(value)
    whole, point, rest = value.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    padded = f"{whole}.{rest[:digits]:0<6}{rest[digits:]}" if point else value
    return datetime.fromisoformat(padded.replace("Z", "+00:00"))


def _set(value: Any) -> list[Any]:
    """A list of texts, of whole numbers, of numbers or of booleans, none of them missing."""
    if not isinstance(value, list):
        raise NotPlain
    for one in value:
        if not isinstance(one, (str, bool, int, float)):
            raise NotPlain
        if isinstance(one, str) and "\0" in one:
            raise NotPlain
        if isinstance(one, (int, float)) and (not math.isfinite(one) or abs(one) >= _WHOLE):
            raise NotPlain
    return list(value)


def _filled(value: Any) -> list[Any]:
    """As :func:`_set`, with something in it."""
    if not value:
        raise NotPlain
    return _set(value)


def _names(value: Any) -> list[str]:
    if not isinstance(value, list) or len(set(map(str, value))) < len(value):
        raise NotPlain
    return [_text(one) for one in value]


def _several(value: Any) -> list[str]:
    if len(names := _names(value)) < 2:
        raise NotPlain
    return names


def _one_of(*words: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in words:
            raise NotPlain
        return str(value)

    return read


def _row(*required: str, one_of: tuple[str, ...] = (), **fields: Callable[[Any], Any]) -> Known:
    return Known("row", {"column": _text, "mostly": _share, **fields}, ("column", *required), one_of)


def _between(limit: Callable[[Any], Any], level: Level = "column", **fields: Callable[[Any], Any]) -> Known:
    bounds = {"min_value": limit, "max_value": limit, "strict_min": _flag, "strict_max": _flag}
    column = () if level == "table" else ("column",)
    named = dict.fromkeys(column, _text)
    return Known(level, {**named, **fields, **bounds}, column, ("min_value", "max_value"))


def _pair(**fields: Callable[[Any], Any]) -> Known:
    ignored = _one_of("both_values_are_missing", "either_value_is_missing")
    named = {"column_A": _text, "column_B": _text, "mostly": _share}
    return Known("row", {**named, **fields, "ignore_row_if": ignored}, ("column_A", "column_B"))


def _in_set(**fields: Callable[[Any], Any]) -> Known:
    return Known("column", {"column": _text, "value_set": _filled, **fields}, ("column", "value_set"))


_ROW_BOUNDS: tuple[str, ...] = ("min_value", "max_value")

#: The types that may be tested in a query, and their arguments.
KNOWN: Mapping[str, Known] = {
    "expect_column_values_to_not_be_null": _row(),
    "expect_column_values_to_be_null": _row(),
    "expect_column_values_to_be_unique": _row(),
    "expect_column_values_to_be_in_set": _row("value_set", value_set=_set),
    "expect_column_values_to_not_be_in_set": _row("value_set", value_set=_set),
    "expect_column_values_to_be_between": _between(_limit, "row", mostly=_share),
    "expect_column_value_lengths_to_be_between": _between(_count, "row", mostly=_share),
    "expect_column_value_lengths_to_equal": _row("value", value=_number),
    "expect_column_values_to_match_regex": _row("regex", regex=_text),
    "expect_column_values_to_not_match_regex": _row("regex", regex=_text),
    "expect_column_pair_values_to_be_equal": _pair(),
    "expect_column_pair_values_a_to_be_greater_than_b": _pair(or_equal=_flag),
    "expect_compound_columns_to_be_unique": Known(
        "row",
        {
            "column_list": _several,
            "mostly": _share,
            "ignore_row_if": _one_of("all_values_are_missing", "any_value_is_missing", "never"),
        },
        ("column_list",),
    ),
    "expect_column_min_to_be_between": _between(_limit),
    "expect_column_max_to_be_between": _between(_limit),
    "expect_column_mean_to_be_between": _between(_number),
    "expect_column_median_to_be_between": _between(_number),
    "expect_column_sum_to_be_between": _between(_number),
    "expect_column_stdev_to_be_between": _between(_number),
    "expect_column_unique_value_count_to_be_between": _between(_count),
    "expect_column_proportion_of_unique_values_to_be_between": _between(_number),
    "expect_column_proportion_of_non_null_values_to_be_between": _between(_number),
    "expect_column_distinct_values_to_be_in_set": _in_set(),
    "expect_column_distinct_values_to_contain_set": _in_set(),
    "expect_column_distinct_values_to_equal_set": _in_set(),
    "expect_column_most_common_value_to_be_in_set": _in_set(ties_okay=_flag),
    "expect_column_to_exist": Known("table", {"column": _text}, ("column",)),
    "expect_table_row_count_to_equal": Known("table", {"value": _count}, ("value",)),
    "expect_table_row_count_to_be_between": _between(_count, "table"),
    "expect_table_column_count_to_equal": Known("table", {"value": _count}, ("value",)),
    "expect_table_column_count_to_be_between": Known(
        "table", {"min_value": _number, "max_value": _number}, (), _ROW_BOUNDS
    ),
    "expect_table_columns_to_match_ordered_list": Known("table", {"column_list": _names}, ("column_list",)),
    "expect_table_columns_to_match_set": Known(
        "table", {"column_set": _names, "exact_match": _flag}, ("column_set",)
    ),
}
