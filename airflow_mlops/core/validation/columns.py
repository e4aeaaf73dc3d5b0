"""A column in SQL, with the values that pandas would show Great Expectations.

pandas takes NaN for missing, holds whole numbers as floats once one is missing, and tells 0.0 and -0.0 not apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_mlops.core.data.engine import quoted
from airflow_mlops.core.data.version import DatasetVersion

#: ``other`` is a type of which no more is known here than whether a value is missing.
Family = Literal["whole", "double", "float", "text", "bool", "time", "other"]

_WHOLE = {"int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"}
_FAMILIES: dict[str, Family] = {
    **dict.fromkeys(_WHOLE, "whole"),
    "double": "double",
    "float": "float",
    "string": "text",
    "large_string": "text",
    "bool": "bool",
}
_TIMES = {f"timestamp[{unit}{zone}]" for unit in ("s", "ms", "us") for zone in ("", ", tz=UTC")}


@dataclass(frozen=True)
class Column:
    """One column of a version.

    :param kind: its Arrow type, as the manifest names it.
    :param nulls: missing values in the version, NaN among them.
    """

    name: str
    kind: str
    nulls: int

    @property
    def family(self) -> Family:
        """How its values are compared."""
        if self.kind in _TIMES or self.kind == "date32[day]":
            return "time"
        return _FAMILIES.get(self.kind, "other")

    @property
    def aware(self) -> bool:
        """Whether its times have a zone."""
        return "tz=" in self.kind

    @property
    def widened(self) -> bool:
        """Whether pandas turns its whole numbers into floats."""
        return self.family == "whole" and self.nulls > 0

    @property
    def raw(self) -> str:
        """The column itself."""
        return quoted(self.name)

    @property
    def value(self) -> str:
        """Its values as pandas has them."""
        if self.widened or self.family == "float":
            return f"CAST({self.raw} AS DOUBLE)"
        if self.kind == "date32[day]":
            return f"CAST({self.raw} AS TIMESTAMP)"
        return self.raw

    @property
    def number(self) -> str:
        """Its values as doubles."""
        return f"CAST({self.raw} AS DOUBLE)" if self.family == "whole" else self.value

    @property
    def missing(self) -> str:
        """Whether pandas takes a value for missing."""
        if self.kind in {"double", "float"}:
            return f"({self.raw} IS NULL OR isnan({self.raw}))"
        return f"({self.raw} IS NULL)"

    @property
    def present(self) -> str:
        """Whether a value is there."""
        return f"(NOT {self.missing})"

    @property
    def key(self) -> str:
        """What equal values have in common; NULL for a missing one."""
        if self.family in {"double", "float"}:
            return f"CASE WHEN isnan({self.raw}) THEN NULL ELSE {self.value} + 0.0 END"
        return self.value


def columns_of(version: DatasetVersion) -> Mapping[str, Column]:
    """The columns of a version by name."""
    return {one.name: Column(one.name, one.type, one.nulls) for one in version.columns}
