"""Expectations that judge an aggregate of a column.

Sums are rounded in another order by DuckDB and by numpy. So a mean, sum, median or standard deviation comes with a
bound on what rounding can change (Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapters 1.9 and 4.2),
and where the verdict or the number shown could be another within the bound, Great Expectations is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from airflow_mlops.core.validation.columns import Column
from airflow_mlops.core.validation.found import Found
from airflow_mlops.core.validation.plain import shown
from airflow_mlops.core.validation.row_tests import sql_values
from airflow_mlops.core.validation.suite import Planned, moment_of

_UNIT = 2.0**-53
_INT64 = 1 << 63


@dataclass(frozen=True)
class Aggregate:
    """An expectation on a column's aggregate.

    :param asked: SQL of what to compute over all rows, one value each.
    :param judge: from these values to the result; None if Great Expectations has to judge.
    :param unexpected: SQL of values that are not wanted, and of when they are not; to name some of them.
    """

    asked: tuple[str, ...]
    judge: Callable[[Sequence[Any]], Found | None]
    unexpected: tuple[str, str] | None = None


def aggregate(one: Planned, columns: Mapping[str, Column], rows: int) -> Aggregate | None:
    """The aggregate of an expectation; None if DuckDB does not provably judge as Great Expectations does.

    :param rows: rows of the version.
    """
    make = _AGGREGATES.get(one.type)
    if make is None or one.read is None or not set(one.columns) <= set(columns):
        return None
    return make(one.read, columns[one.columns[0]], rows)


def _within(value: Any, read: Mapping[str, Any]) -> bool:
    low, high = read.get("min_value"), read.get("max_value")
    above = low is None or (value > low if read.get("strict_min") else value >= low)
    below = high is None or (value < high if read.get("strict_max") else value <= high)
    return bool(above and below)


def observed(value: Any, read: Mapping[str, Any]) -> Found:
    """The result for an aggregate that is known exactly; None is one of no values."""
    return Found(value is not None and _within(value, read), {"observed_value": value})


def _surely(value: float, error: float, read: Mapping[str, Any]) -> Found | None:
    """The result for a value that is known up to an error; None if that leaves it open."""
    if not math.isfinite(value) or not math.isfinite(error):
        return None
    low, high = value - error, value + error
    limits = [read[name] for name in ("min_value", "max_value") if read.get(name) is not None]
    if shown(low) != shown(high) or any(low <= limit <= high for limit in limits):
        return None
    return observed(value, read)


def _extreme(read: Mapping[str, Any], column: Column, rows: int, function: str) -> Aggregate | None:
    if column.family == "time":
        return _extreme_time(read, column, function)
    dated = any(isinstance(read.get(name), date) for name in ("min_value", "max_value"))
    if column.family not in {"whole", "double"} or dated:
        return None

    def judge(values: Sequence[Any]) -> Found:
        value = values[0]
        return observed(float(value) if value is not None and column.widened else value, read)

    return Aggregate((f"{function}({column.raw}) FILTER ({column.present})",), judge)


def _extreme_time(read: Mapping[str, Any], column: Column, function: str) -> Aggregate | None:
    limits = {name: read[name] for name in ("min_value", "max_value") if read.get(name) is not None}
    if not all(isinstance(one, date) for one in limits.values()):
        return None
    moments = {name: moment_of(limit, column.aware) for name, limit in limits.items()}

    def judge(values: Sequence[Any]) -> Found:
        value: datetime | None = values[0]
        if value is not None and column.aware:
            value = moment_of(value, aware=True)
        return observed(value, {**read, **moments})

    return Aggregate((f"{function}({column.value})",), judge)


def _min(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    return _extreme(read, column, rows, "min")


def _max(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    return _extreme(read, column, rows, "max")


def _over(column: Column, *functions: str) -> tuple[str, ...]:
    """Aggregates of the values that are not missing, as doubles."""
    return tuple(f"{one.format(column.number)} FILTER ({column.present})" for one in functions)


def _mean(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family not in {"whole", "double"}:
        return None

    def judge(values: Sequence[Any]) -> Found | None:
        total, size, count = values
        if not count:
            return observed(None, read)
        return _surely(total / count, 3 * count * _UNIT * size / count, read)

    return Aggregate(_over(column, "fsum({})", "fsum(abs({}))", "count({})"), judge)


def _sum(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family == "whole" and not column.widened:

        def exactly(values: Sequence[Any]) -> Found | None:
            total = int(values[0] or 0)
            return observed(total, read) if abs(total) < _INT64 else None

        return Aggregate((f"sum(CAST({column.raw} AS HUGEINT))",), exactly)
    if column.family not in {"whole", "double"}:
        return None

    def judge(values: Sequence[Any]) -> Found | None:
        total, size, count = values
        return _surely(total, 3 * count * _UNIT * size, read) if count else observed(0.0, read)

    return Aggregate(_over(column, "fsum({})", "fsum(abs({}))", "count({})"), judge)


def _median(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family not in {"whole", "double"}:
        return None

    def judge(values: Sequence[Any]) -> Found | None:
        median, largest = values
        return observed(None, read) if median is None else _surely(median, 8 * _UNIT * largest, read)

    return Aggregate(_over(column, "median({})", "max(abs({}))"), judge)


def _stdev(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family not in {"whole", "double"}:
        return None

    def judge(values: Sequence[Any]) -> Found | None:
        deviation, mean, count = values
        if count < 2:  # one value has no spread
            return observed(None, read)
        if not deviation or not math.isfinite(deviation):
            return None
        condition = math.sqrt(1 + (mean / deviation) ** 2)
        relative = 8 * count * _UNIT * condition + (count * _UNIT * condition) ** 2
        return _surely(deviation, deviation * relative, read)

    return Aggregate(_over(column, "stddev_samp({})", "avg({})", "count({})"), judge)


def _distinct(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family in {"other", "float"}:
        return None
    return Aggregate((f"count(DISTINCT {column.key})",), lambda values: observed(values[0], read))


def _distinct_share(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    if column.family in {"other", "float"}:
        return None
    present = rows - column.nulls

    def judge(values: Sequence[Any]) -> Found:
        return observed(values[0] / present if present else 0, read)

    return Aggregate((f"count(DISTINCT {column.key})",), judge)


def _present_share(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    share = (rows - column.nulls) / rows if rows else 0
    return Aggregate((), lambda _: observed(share, read))


def _sets(read: Mapping[str, Any], column: Column, unexpected: bool, lacking: bool) -> Aggregate | None:
    """How many distinct values are not in a set, and how many of the set are not in the column.

    Which ones are not wanted is asked only where there are some.
    """
    compared = sql_values(column, read["value_set"])
    if compared is None or column.family == "float":
        return None
    value, wanted = compared
    inside = f"{value} IN ({wanted})" if wanted else "false"
    present = f"AND {column.present}"
    asked = (
        f"count(DISTINCT {column.key}) FILTER (NOT ({inside}) {present})",
        f"count(DISTINCT {column.key}) FILTER (({inside}) {present})",
    )

    def judge(values: Sequence[Any]) -> Found:
        outside, missing = values[0], len(set(read["value_set"])) - values[1]
        result: dict[str, Any] = {"observed_value": None}
        if unexpected:
            result |= {"unexpected_count": outside, "partial_unexpected_list": []}
        if lacking:
            result |= {"missing_count": missing, "partial_missing_list": []}
        return Found(not (unexpected and outside) and not (lacking and missing), result)

    return Aggregate(asked, judge, (column.key, f"NOT ({inside}) {present}") if unexpected else None)


def _only(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    return _sets(read, column, unexpected=True, lacking=False)


def _all_of(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    return _sets(read, column, unexpected=False, lacking=True)


def _exactly(read: Mapping[str, Any], column: Column, rows: int) -> Aggregate | None:
    return _sets(read, column, unexpected=True, lacking=True)


_AGGREGATES: Mapping[str, Callable[[Mapping[str, Any], Column, int], Aggregate | None]] = {
    "expect_column_min_to_be_between": _min,
    "expect_column_max_to_be_between": _max,
    "expect_column_mean_to_be_between": _mean,
    "expect_column_sum_to_be_between": _sum,
    "expect_column_median_to_be_between": _median,
    "expect_column_stdev_to_be_between": _stdev,
    "expect_column_unique_value_count_to_be_between": _distinct,
    "expect_column_proportion_of_unique_values_to_be_between": _distinct_share,
    "expect_column_proportion_of_non_null_values_to_be_between": _present_share,
    "expect_column_distinct_values_to_be_in_set": _only,
    "expect_column_distinct_values_to_contain_set": _all_of,
    "expect_column_distinct_values_to_equal_set": _exactly,
}
