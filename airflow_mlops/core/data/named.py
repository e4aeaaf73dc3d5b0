"""What a spec names, held against what a data set has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.files import check_columns
from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.errors import DataError

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


def named_columns(spec: ModelSpec) -> dict[str, str]:
    """Every column that the spec expects of its source, and the field that does; joined columns come later."""
    named = dict.fromkeys(spec.features.columns, "features.columns")
    if spec.data.id:
        named[spec.data.id] = "data.id"
    named[spec.data.label] = "data.label"
    joined = {column for join in spec.data.joins for column in join.columns}
    return {name: field for name, field in named.items() if name not in joined}


def check_label(label: str, columns: Sequence[Column], rows: int) -> None:
    """Refuse data whose label is never known. :raises DataError: naming the label."""
    nulls = next((column.nulls for column in columns if column.name == label), None)
    if nulls == rows:
        raise DataError(
            f"label {label} has no value in any of {rows:,} rows",
            remedy="wait for the labels, or move the window",
        )


def check_named(spec: ModelSpec, version: DatasetVersion) -> None:
    """Refuse a version that lacks a column which the spec names, or has no label.

    :raises DataError: naming the columns and the fields.
    """
    names = [column.name for column in version.columns]
    check_columns(named_columns(spec), names, f"dataset version {version.name}@{version.id}")
    check_label(spec.data.label, version.columns, version.rows)
