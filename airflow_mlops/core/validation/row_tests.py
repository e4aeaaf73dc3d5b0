"""Expectations that judge rows, as conditions in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from airflow_mlops.core.data.engine import literal
from airflow_mlops.core.validation.columns import Column
from airflow_mlops.core.validation.regex import to_re2
from airflow_mlops.core.validation.suite import Planned, moment_of

_TEXT_SIGNS = "strlen({0}) <> length({0}) OR contains({0}, chr(10)) OR contains({0}, chr(0))"


@dataclass(frozen=True)
class RowTest:
    """An expectation that judges rows.

    :param bad: SQL that is true for a row that breaks it; NULL and false are good. None for :attr:`keys`.
    :param judged: SQL for the rows that are judged; None where it is known from the manifest.
    :param missing: rows that are not judged, from the manifest.
    :param nulls_judged: whether missing values are what is judged.
    :param known: how many rows break it, where the manifest says so.
    :param guard: SQL for rows on which DuckDB could judge in another way; with one of them, GX has to judge.
    :param keys: SQL of what has to be unique together.
    """

    mostly: float
    columns: tuple[str, ...]
    bad: str | None = None
    judged: str | None = None
    missing: int = 0
    nulls_judged: bool = False
    known: int | None = None
    guard: str | None = None
    keys: tuple[str, ...] = ()


def row_test(one: Planned, columns: Mapping[str, Column]) -> RowTest | None:
    """The test of an expectation; None if DuckDB does not provably judge as Great Expectations does."""
    make = _TESTS.get(one.type)
    if make is None or one.read is None or not set(one.columns) <= set(columns):
        return None
    return make(one.read, [columns[name] for name in one.columns])


def sql_number(value: float) -> str:
    """A number in SQL, exactly."""
    return f"CAST('{value!r}' AS DOUBLE)"


def sql_values(column: Column, values: Sequence[Any]) -> tuple[str, str] | None:
    """A column and a set of values to compare it with, in SQL; None if they are of different kinds."""
    kinds = {type(one) for one in values}
    if column.family == "text" and kinds <= {str}:
        return column.raw, ", ".join(literal(one) for one in values)
    if column.family == "bool" and kinds <= {bool}:
        return column.raw, ", ".join(str(one).lower() for one in values)
    if column.family in {"whole", "double", "float"} and kinds <= {int, float}:
        return column.number, ", ".join(sql_number(float(one)) for one in values)
    return None


def comparisons(value: str, read: Mapping[str, Any], quote: Callable[[Any], str]) -> str:
    """SQL that is true for values between limits."""
    signs = {"min_value": (">", ">="), "max_value": ("<", "<=")}
    strict = {"min_value": bool(read.get("strict_min")), "max_value": bool(read.get("strict_max"))}
    parts = [
        f"{value} {signs[name][0 if strict[name] else 1]} {quote(read[name])}"
        for name in signs
        if read.get(name) is not None
    ]
    return " AND ".join(parts)


def quoter(column: Column, read: Mapping[str, Any]) -> Callable[[Any], str] | None:
    """What writes limits for a column in SQL; None if they are not of its kind."""
    limits = [read[name] for name in ("min_value", "max_value") if read.get(name) is not None]
    dated = [isinstance(one, date) for one in limits]
    if column.family == "time" and all(dated):
        kind = "TIMESTAMPTZ" if column.aware else "TIMESTAMP"
        return lambda limit: f"{kind} {literal(moment_of(limit, column.aware).isoformat(' '))}"
    if column.family in {"whole", "double", "float"} and not any(dated):
        return sql_number
    return None


def _of_one(read: Mapping[str, Any], column: Column, bad: str, guard: str | None = None) -> RowTest:
    if column.family in {"double", "float"}:
        bad = f"({bad}) AND NOT isnan({column.raw})"
    return RowTest(
        mostly=read.get("mostly", 1.0),
        columns=(column.name,),
        bad=f"({bad})",
        missing=column.nulls,
        guard=guard,
    )


def _not_null(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    mostly = read.get("mostly", 1.0)
    return RowTest(mostly, (column.name,), column.missing, nulls_judged=True, known=column.nulls)


def _null(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    if column.family == "other":
        return None
    return RowTest(read.get("mostly", 1.0), (column.name,), column.present, nulls_judged=True)


def _between(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    quote = quoter(column, read)
    if quote is None:
        return None
    value = column.value if column.family == "time" else column.number
    return _of_one(read, column, f"NOT ({comparisons(value, read, quote)})")


def _in_set(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    if column.family in {"other", "time"}:
        return None
    if not read["value_set"]:
        return _of_one(read, column, f"{column.raw} IS NOT NULL")
    found = sql_values(column, read["value_set"])
    return _of_one(read, column, f"{found[0]} NOT IN ({found[1]})") if found else None


def _not_in_set(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    if column.family in {"other", "time"}:
        return None
    if not read["value_set"]:
        return _of_one(read, column, "false")
    found = sql_values(column, read["value_set"])
    return _of_one(read, column, f"{found[0]} IN ({found[1]})") if found else None


def _lengths(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    (column,) = columns
    if column.family != "text":
        return None
    limits = read if "value" not in read else {"min_value": read["value"], "max_value": read["value"]}
    within = comparisons(f"length({column.raw})", limits, lambda limit: sql_number(float(limit)))
    return _of_one(read, column, f"NOT ({within})", guard=f"contains({column.raw}, chr(0))")


def _regex(read: Mapping[str, Any], columns: Sequence[Column], wanted: bool = True) -> RowTest | None:
    (column,) = columns
    pattern = to_re2(read["regex"])
    if column.family != "text" or pattern is None:
        return None
    matches = f"regexp_matches({column.raw}, {literal(pattern)})"
    return _of_one(
        read, column, f"NOT {matches}" if wanted else matches, guard=_TEXT_SIGNS.format(column.raw)
    )


def _not_regex(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    return _regex(read, columns, wanted=False)


def _pair(read: Mapping[str, Any], columns: Sequence[Column], sign: str) -> RowTest | None:
    if len(columns) != 2:  # a column may be named twice
        return None
    first, second = columns
    families = {first.family, second.family}
    if families == {"whole"} and not (first.widened or second.widened):
        values = [first.raw, second.raw]
    elif families <= {"whole", "double"}:
        values = [first.number, second.number]
    elif families == {"text"} and sign == "=":
        values = [first.raw, second.raw]
    else:
        return None
    both = read.get("ignore_row_if", "both_values_are_missing") == "both_values_are_missing"
    judged = f"({first.present} {'OR' if both else 'AND'} {second.present})"
    holds = f"coalesce({values[0]} {sign} {values[1]}, false) AND {first.present} AND {second.present}"
    names = (first.name, second.name)
    return RowTest(read.get("mostly", 1.0), names, f"({judged} AND NOT ({holds}))", judged)


def _equal(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    return _pair(read, columns, "=")


def _greater(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    return _pair(read, columns, ">=" if read.get("or_equal") else ">")


def _unique(read: Mapping[str, Any], columns: Sequence[Column]) -> RowTest | None:
    if any(one.family == "other" for one in columns):
        return None
    rule = read.get("ignore_row_if", "all_values_are_missing")
    words = {"all_values_are_missing": " OR ", "any_value_is_missing": " AND ", "never": None}[rule]
    judged = f"({words.join(one.present for one in columns)})" if words else "true"
    names = tuple(one.name for one in columns)
    keys = tuple(one.key for one in columns)
    return RowTest(read.get("mostly", 1.0), names, judged=judged, keys=keys)


_TESTS: Mapping[str, Callable[[Mapping[str, Any], Sequence[Column]], RowTest | None]] = {
    "expect_column_values_to_not_be_null": _not_null,
    "expect_column_values_to_be_null": _null,
    "expect_column_values_to_be_unique": _unique,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": _not_in_set,
    "expect_column_values_to_be_between": _between,
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_match_regex": _regex,
    "expect_column_values_to_not_match_regex": _not_regex,
    "expect_column_pair_values_to_be_equal": _equal,
    "expect_column_pair_values_a_to_be_greater_than_b": _greater,
    "expect_compound_columns_to_be_unique": _unique,
}
