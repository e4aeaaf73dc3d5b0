"""What changed between two dataset versions: rows, schema, and the distribution of every column."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.engine import engine, parquet_rows
from airflow_mlops.core.data.event_time import Window
from airflow_mlops.core.data.files import check_columns
from airflow_mlops.core.data.reading import local_parquet
from airflow_mlops.core.data.row_changes import RowChanges, check_key, compare_rows
from airflow_mlops.core.data.shift import Measure, Shift, Sides, common_kind, measure_shift
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.record import Record
from airflow_mlops.core.store.base import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: A removed and an added column whose values lie no further apart than this are shown as perhaps renamed.
RENAMED_WITHIN = 0.1
#: More removed or added columns than this are not searched for renamed ones.
_MOST_RENAMED = 20


class ColumnShift(Record):
    """One column that both versions have.

    :param type_a, type_b: Arrow types.
    :param nulls_a, nulls_b: share of missing values.
    :param distinct_a, distinct_b: number of distinct values.
    :param mean_a, mean_b: of finite numbers, None for other types.
    :param measure, distance: distance of the two distributions, 0 to 1; see
        :func:`~airflow_mlops.core.data.shift.measure_shift`.
    :param changed: rows with equal keys whose value differs; None without a key and for the key itself.
    """

    name: str
    type_a: str
    type_b: str
    nulls_a: float
    nulls_b: float
    distinct_a: int
    distinct_b: int
    mean_a: float | None = None
    mean_b: float | None = None
    measure: Measure | None = None
    distance: float | None = None
    changed: int | None = None


class Renamed(Record):
    """A column that went and one that came with nearly the same values: perhaps one column."""

    old: str
    new: str
    distance: float


class VersionDiff(Record):
    """What changed from version ``a`` to version ``b``.

    :param columns_added, columns_removed: columns that only ``b``, or only ``a`` has.
    :param columns: the columns that both have, in the order of ``a``.
    """

    a: DatasetRef
    b: DatasetRef
    rows_a: int
    rows_b: int
    rows: RowChanges
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    renamed: tuple[Renamed, ...]
    columns: tuple[ColumnShift, ...]

    @property
    def retyped(self) -> tuple[ColumnShift, ...]:
        """Columns whose type changed."""
        return tuple(column for column in self.columns if column.type_a != column.type_b)


def diff(
    store: Store,
    a: DatasetVersion,
    b: DatasetVersion,
    *,
    key: Sequence[str] = (),
    progress: Progress = ignore,
) -> VersionDiff:
    """Compare two dataset versions; memory is bounded, larger work is spilled to disk.

    :param a, b: versions as :func:`~airflow_mlops.core.data.reading.load_version` returns them, the older one first.
    :param key: columns that name a row, for example ``data.id`` of the spec.
    :raises DataError: if a version lacks a column of the key, a key stands twice or is missing in a row, or the
        versions have no column in common.
    """
    key = tuple(dict.fromkeys(key))
    for version in (a, b):
        names = [column.name for column in version.columns]
        check_columns(dict.fromkeys(key, "the key"), names, f"dataset version {version.name}@{version.id}")
    with engine() as connection:
        kinds_a, kinds_b = (_view(connection, store, *one) for one in (("a", a), ("b", b)))
        shared = {
            name: Sides(name, name, common_kind(kind, kinds_b[name]))
            for name, kind in kinds_a.items()
            if name in kinds_b
        }
        if not shared:
            raise DataError(f"{a.name}@{a.id} and {b.name}@{b.id} have no column in common")
        progress(f"comparing rows of {a.id} ({a.rows:,}) and {b.id} ({b.rows:,})")
        if key:
            for table, version in (("a", a), ("b", b)):
                check_key(connection, table, version.ref, key)
        rows, changed = compare_rows(connection, shared, key)
        columns = []
        for number, (name, sides) in enumerate(shared.items(), 1):
            progress(f"comparing column {name} ({number} of {len(shared)})")
            columns.append(_column(name, measure_shift(connection, sides), a, b, changed.get(name)))
        return VersionDiff(
            a=a.ref,
            b=b.ref,
            rows_a=a.rows,
            rows_b=b.rows,
            rows=rows,
            columns_added=tuple(name for name in kinds_b if name not in kinds_a),
            columns_removed=tuple(name for name in kinds_a if name not in kinds_b),
            renamed=_renamed(connection, kinds_a, kinds_b),
            columns=tuple(columns),
        )


def _view(
    connection: DuckDBPyConnection, store: Store, table: str, version: DatasetVersion
) -> dict[str, str]:
    """Make the rows of a version a view; return the DuckDB types of its columns."""
    window = Window(version.since, version.until)
    rows = parquet_rows(local_parquet(store, version), version.event_time, window)
    connection.execute(f"CREATE TEMP VIEW {table} AS {rows}")
    return {name: str(kind) for name, kind, *_ in connection.execute(f"DESCRIBE {table}").fetchall()}


def _column(
    name: str, shift: Shift, a: DatasetVersion, b: DatasetVersion, changed: int | None
) -> ColumnShift:
    types = [next(column.type for column in version.columns if column.name == name) for version in (a, b)]
    return ColumnShift(
        name=name,
        type_a=types[0],
        type_b=types[1],
        nulls_a=shift.nulls_a / a.rows,
        nulls_b=shift.nulls_b / b.rows,
        distinct_a=shift.distinct_a,
        distinct_b=shift.distinct_b,
        mean_a=shift.mean_a,
        mean_b=shift.mean_b,
        measure=shift.measure,
        distance=shift.distance,
        changed=changed,
    )


def _renamed(
    connection: DuckDBPyConnection, kinds_a: dict[str, str], kinds_b: dict[str, str]
) -> tuple[Renamed, ...]:
    """Pairs of columns of one type that went and came with nearly the same values, the closest first."""
    gone = [name for name in kinds_a if name not in kinds_b]
    new = [name for name in kinds_b if name not in kinds_a]
    if max(len(gone), len(new)) > _MOST_RENAMED:
        return ()
    pairs = []
    for old in gone:
        for name in (name for name in new if kinds_b[name] == kinds_a[old]):
            shift = measure_shift(connection, Sides(old, name, kinds_a[old]))
            if shift.distance is not None and shift.distance <= RENAMED_WITHIN:
                pairs.append(Renamed(old=old, new=name, distance=shift.distance))
    found: list[Renamed] = []
    for pair in sorted(pairs, key=lambda one: one.distance):
        if all(pair.old != one.old and pair.new != one.new for one in found):
            found.append(pair)
    return tuple(found)
