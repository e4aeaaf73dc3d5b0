"""Expectations that judge the table: its rows and its columns, as the manifest has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.validation.aggregates import observed
from airflow_mlops.core.validation.found import Found
from airflow_mlops.core.validation.suite import Planned


def of_table(one: Planned, version: DatasetVersion) -> Found | None:
    """The result of an expectation that the manifest answers; None for any other."""
    make = _OF_TABLE.get(one.type)
    return make(one.read, version) if make is not None and one.read is not None else None


def _row_count(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    return Found(version.rows == read["value"], {"observed_value": version.rows})


def _row_count_between(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    return observed(version.rows, read)


def _column_count(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    return Found(len(version.columns) == read["value"], {"observed_value": len(version.columns)})


def _column_count_between(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    return observed(len(version.columns), read)


def _exists(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    return Found(read["column"] in {one.name for one in version.columns})


def _ordered(read: Mapping[str, Any], version: DatasetVersion) -> Found:
    there, wanted = [one.name for one in version.columns], read["column_list"]
    if there == wanted:
        return Found(True, {"observed_value": there})
    pairs = enumerate(zip_longest(wanted, there))
    mismatched = [
        {"Expected Column Position": place, "Expected": one, "Found": other}
        for place, (one, other) in pairs
        if one != other
    ]
    return Found(False, {"observed_value": there, "details": {"mismatched": mismatched}})


def _as_set(read: Mapping[str, Any], version: DatasetVersion) -> Found | None:
    there, wanted = {one.name for one in version.columns}, set(read["column_set"])
    if any('"' in one for one in there | wanted):
        return None
    names = {"unexpected": sorted(there - wanted), "missing": sorted(wanted - there)}
    result: dict[str, Any] = {"observed_value": sorted(there)}
    if not any(names.values()):
        return Found(True, result)
    result["details"] = {"mismatched": {kind: these for kind, these in names.items() if these}}
    return Found(not read.get("exact_match", True) and not names["missing"], result)


_OF_TABLE: Mapping[str, Callable[[Mapping[str, Any], DatasetVersion], Found | None]] = {
    "expect_table_row_count_to_equal": _row_count,
    "expect_table_row_count_to_be_between": _row_count_between,
    "expect_table_column_count_to_equal": _column_count,
    "expect_table_column_count_to_be_between": _column_count_between,
    "expect_column_to_exist": _exists,
    "expect_table_columns_to_match_ordered_list": _ordered,
    "expect_table_columns_to_match_set": _as_set,
}
