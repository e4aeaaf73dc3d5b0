"""How far apart two sets of values are, column by column, counted by the engine in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from airflow_mlops.core.data.engine import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Measure = Literal["kolmogorov_smirnov", "total_variation"]

_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
_FLOATS = ("FLOAT", "DOUBLE")
_TIMES = (
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP_NS",
    "TIMESTAMP_MS",
    "TIMESTAMP_S",
)


@dataclass(frozen=True)
class Sides:
    """A column of table ``a`` beside a column of table ``b``, with the DuckDB type in which they can be compared.

    :param kind: their common type: that of both, DOUBLE for numbers of two types, else VARCHAR.
    """

    a: str
    b: str
    kind: str

    @property
    def values(self) -> tuple[str, str]:
        """SQL for the value in ``a`` and in ``b``; a NaN is missing."""
        return self._value("a", self.a), self._value("b", self.b)

    def _value(self, table: str, column: str) -> str:
        name = f"CAST({table}.{quoted(column)} AS {self.kind})"
        return f"nullif({name}, 'NaN'::{self.kind})" if self.kind in _FLOATS else name


def common_kind(one: str, other: str) -> str:
    """The DuckDB type in which values of two types are compared."""
    numbers = (*_WHOLE, *_FLOATS)
    if one == other:
        return one
    return "DOUBLE" if one in numbers and other in numbers else "VARCHAR"


@dataclass(frozen=True)
class Shift:
    """What two columns hold: missing values, distinct values, means, and the distance of their distributions.

    :param mean_a, mean_b: of finite numbers, None for other types and where there are none.
    :param distance: from 0 to 1 over the values that are there; None for nested types and where one side has none.
    """

    nulls_a: int
    nulls_b: int
    distinct_a: int
    distinct_b: int
    mean_a: float | None
    mean_b: float | None
    measure: Measure | None
    distance: float | None


def measure_shift(engine: DuckDBPyConnection, sides: Sides) -> Shift:
    """Compare a column of table ``a`` with one of table ``b``.

    Numbers and times are compared by the Kolmogorov-Smirnov distance (the largest difference of the two cumulative
    distributions), everything else by the total variation distance (half the sum of the differences of all shares).
    """
    measure = _measure(sides.kind)
    row = engine.execute(_query(sides, measure)).fetchone()
    if row is None:
        raise RuntimeError("an aggregate gives one row")
    nulls_a, nulls_b, rows_a, rows_b, distinct_a, distinct_b, mean_a, mean_b, distance = row
    comparable = measure is not None and rows_a and rows_b
    return Shift(
        nulls_a=nulls_a,
        nulls_b=nulls_b,
        distinct_a=distinct_a,
        distinct_b=distinct_b,
        mean_a=mean_a,
        mean_b=mean_b,
        measure=measure,
        distance=min(1.0, distance) if comparable else None,
    )


def _measure(kind: str) -> Measure | None:
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return None
    return "kolmogorov_smirnov" if kind in (*_WHOLE, *_FLOATS, *_TIMES) else "total_variation"


def _query(sides: Sides, measure: Measure | None) -> str:
    """One query: values counted on both sides, then everything from these counts."""
    a, b = sides.values
    distance = {
        "kolmogorov_smirnov": "max(abs(below_a / nullif(all_a, 0) - below_b / nullif(all_b, 0)))",
        "total_variation": "sum(abs(na / nullif(all_a, 0) - nb / nullif(all_b, 0))) / 2",
        None: "CAST(NULL AS DOUBLE)",
    }[measure]
    below = (
        "sum(na) OVER so_far AS below_a, sum(nb) OVER so_far AS below_b"
        if measure == "kolmogorov_smirnov"
        else "NULL AS below_a, NULL AS below_b"
    )
    window = "WINDOW so_far AS (ORDER BY v ROWS UNBOUNDED PRECEDING)" if "so_far" in below else ""
    # the names of columns are quoted, and there is nothing else of the user's in it
    return f"""
        WITH counted AS (
            SELECT v, count(*) FILTER (side = 0) AS na, count(*) FILTER (side = 1) AS nb
            FROM (SELECT {a} AS v, 0 AS side FROM a UNION ALL SELECT {b}, 1 FROM b)
            GROUP BY v
        ), totals AS (
            SELECT coalesce(sum(na), 0) AS all_a, coalesce(sum(nb), 0) AS all_b FROM counted WHERE v IS NOT NULL
        ), present AS (
            SELECT v, na, nb, all_a, all_b, {below} FROM counted, totals WHERE v IS NOT NULL {window}
        ), missing AS (
            SELECT coalesce(sum(na), 0) AS ma, coalesce(sum(nb), 0) AS mb FROM counted WHERE v IS NULL
        )
        SELECT any_value(ma)::BIGINT, any_value(mb)::BIGINT,
            coalesce(any_value(all_a), 0)::BIGINT, coalesce(any_value(all_b), 0)::BIGINT,
            count(*) FILTER (na > 0), count(*) FILTER (nb > 0),
            {_mean("na", sides.kind)}, {_mean("nb", sides.kind)}, {distance}
        FROM missing LEFT JOIN present ON true
    """  # noqa: S608


def _mean(count: str, kind: str) -> str:
    """SQL for the mean of finite values that stand ``count`` times each."""
    if kind not in (*_WHOLE, *_FLOATS, "BOOLEAN"):
        return "CAST(NULL AS DOUBLE)"
    counted = f"FILTER ({count} > 0{' AND isfinite(v)' if kind in _FLOATS else ''})"
    return f"sum(CAST(v AS DOUBLE) * {count}) {counted} / sum({count}) {counted}"
