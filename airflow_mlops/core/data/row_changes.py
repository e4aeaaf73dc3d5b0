"""Which rows changed between two versions that the engine has as tables ``a`` and ``b``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.engine import quoted
from airflow_mlops.core.data.shift import Sides
from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.record import Record

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


class RowChanges(Record):
    """Rows of two versions, told apart by their key or, without one, by all columns that both versions have.

    :param key: columns that name a row; empty when whole rows are compared.
    :param added, removed: rows that only the second, or only the first version has. A whole row that stands three
        times in one and once in the other counts twice.
    :param changed: rows with equal keys whose other common columns differ; None without a key.
    """

    key: tuple[str, ...]
    same: int
    added: int
    removed: int
    changed: int | None = None


def check_key(connection: DuckDBPyConnection, table: str, version: DatasetRef, key: Sequence[str]) -> None:
    """Refuse a key that does not name rows. :raises DataError: with the number of rows and an example."""
    columns, what = ", ".join(map(quoted, key)), f"key {', '.join(key)} of {version.name}@{version.id}"
    missing = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    (nulls,) = connection.execute(f"SELECT count(*) FROM {table} WHERE {missing}").fetchone() or (0,)  # noqa: S608
    if nulls:
        raise DataError(
            f"{what} is missing in {nulls:,} rows", remedy="name other columns, or compare whole rows"
        )
    twice = connection.execute(
        f"SELECT {columns}, count(*) AS times, count(*) OVER () FROM {table} "  # noqa: S608
        f"GROUP BY {columns} HAVING count(*) > 1 ORDER BY times DESC, {columns} LIMIT 1"
    ).fetchone()
    if twice:
        *example, times, values = twice
        raise DataError(
            f"{what} is not unique: {values:,} values stand more than once",
            given=f"{', '.join(map(str, example))[:80]} in {times:,} rows",
            expected="one row for each value",
            remedy="name more columns, or compare whole rows",
        )


def compare_rows(
    connection: DuckDBPyConnection, shared: Mapping[str, Sides], key: Sequence[str]
) -> tuple[RowChanges, dict[str, int]]:
    """Compare rows by their key or, without one, by their content.

    :param shared: the columns that both tables have.
    :param key: columns that name a row in both, as :func:`check_key` has found.
    :return: the counts, and for each column outside of the key the rows with equal keys whose value differs.
    """
    return _by_key(connection, shared, key) if key else (_by_content(connection, shared), {})


def _by_key(
    connection: DuckDBPyConnection, shared: Mapping[str, Sides], key: Sequence[str]
) -> tuple[RowChanges, dict[str, int]]:
    """Rows paired by their keys, and for each other column the pairs whose values differ."""
    others = {name: sides for name, sides in shared.items() if name not in key}
    differs = {name: "{} IS DISTINCT FROM {}".format(*sides.values) for name, sides in others.items()}
    on = " AND ".join("{} = {}".format(*shared[name].values) for name in key)
    first = f"a.{quoted(key[0])} IS NOT NULL", f"b.{quoted(key[0])} IS NOT NULL"
    both = " AND ".join(first)
    either = " OR ".join(differs.values()) or "false"
    counts = [
        f"count(*) FILTER ({both} AND NOT ({either}))",
        f"count(*) FILTER (NOT ({first[0]}))",
        f"count(*) FILTER (NOT ({first[1]}))",
        f"count(*) FILTER ({both} AND ({either}))",
        *(f"count(*) FILTER ({both} AND {one})" for one in differs.values()),
    ]
    found = connection.execute(f"SELECT {', '.join(counts)} FROM a FULL JOIN b ON {on}").fetchone() or ()  # noqa: S608
    same, added, removed, changed, *each = found
    rows = RowChanges(key=tuple(key), same=same, added=added, removed=removed, changed=changed)
    return rows, dict(zip(others, each, strict=True))


def _by_content(connection: DuckDBPyConnection, shared: Mapping[str, Sides]) -> RowChanges:
    """Whole rows, counted on both sides."""
    names = [quoted(f"c{number}") for number in range(len(shared))]
    sides = [
        ", ".join(f"{one.values[side]} AS {name}" for one, name in zip(shared.values(), names, strict=True))
        for side in (0, 1)
    ]
    counted = (
        "SELECT count(*) FILTER (side = 0) AS na, count(*) FILTER (side = 1) AS nb "  # noqa: S608
        f"FROM (SELECT {sides[0]}, 0 AS side FROM a UNION ALL SELECT {sides[1]}, 1 FROM b) "
        f"GROUP BY {', '.join(names)}"
    )
    found = connection.execute(
        "SELECT sum(least(na, nb))::BIGINT, sum(greatest(nb - na, 0))::BIGINT, "  # noqa: S608
        f"sum(greatest(na - nb, 0))::BIGINT FROM ({counted})"
    ).fetchone()
    same, added, removed = found or (0, 0, 0)
    return RowChanges(key=(), same=same, added=added, removed=removed)
