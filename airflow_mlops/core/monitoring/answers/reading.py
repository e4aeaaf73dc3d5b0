"""Rows with their labels: each day's files joined by DuckDB, in bounded memory; what is too large goes to its disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.engine import engine, literal, quoted, stream
from airflow_mlops.core.monitoring.answers.columns import (
    LABEL,
    NULL,
    OWN,
    TEXT,
    arrow_type,
    merged,
)
from airflow_mlops.core.monitoring.answers.days import Days, days_between
from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.records import Day, RowsPart

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

#: Rows of a batch.
BATCH = 65_536
_ORDER = ("_at", "_event_id", "_row")


@dataclass(frozen=True)
class Asked:
    """Which rows are read.

    :param since, until: of the answers' times, since <= t < until.
    :param variant, role: of the answers; all without one.
    :param as_of: labels of a later time are not known yet; without it all are.
    """

    since: datetime
    until: datetime
    variant: str | None = None
    role: str | None = None
    as_of: datetime | None = None

    @property
    def labels_where(self) -> str:
        """The labels that count, in SQL."""
        return f" WHERE _label_at <= {_moment(self.as_of)}" if self.as_of is not None else ""

    @property
    def rows_where(self) -> str:
        """The rows that count, in SQL."""
        conditions = [f"_at >= {_moment(self.since)}", f"_at < {_moment(self.until)}"]
        for name, value in (("_variant", self.variant), ("_role", self.role)):
            if value is not None:
                conditions.append(f"{name} = {literal(value)}")
        return f" WHERE {' AND '.join(conditions)}"


class Reading:
    """Reads the table as one entry of the log has it.

    :param refs: the days of the entry.
    """

    def __init__(self, files: Files, days: Days, refs: dict[str, str]) -> None:
        self._files = files
        self._days = days
        self._refs = refs

    def schema(self, asked: Asked, columns: Sequence[str] | None = None) -> pa.Schema:
        """The columns of what :meth:`batches` gives: all of them, or those asked for; one that no file has is null."""
        import pyarrow as pa

        kinds = {**OWN, **LABEL, **self._columns(asked)}
        names = kinds if columns is None else dict.fromkeys(columns)
        return pa.schema([(name, arrow_type(kinds.get(name, NULL))) for name in names])

    def batches(self, asked: Asked, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows in the order of their times, in batches of about :data:`BATCH` rows."""
        schema = self.schema(asked, columns)
        for connection, view in self._views(asked, schema.names):
            named = [name for name in schema.names if schema.field(name).type != arrow_type(NULL)]
            wanted = ", ".join(_column(name) for name in named) or "1"
            rows = connection.sql(f"SELECT {wanted} FROM {view} ORDER BY {', '.join(_ORDER)}")  # noqa: S608 (quoted)
            for batch in stream(rows, BATCH):
                if batch.num_rows:
                    yield _in_schema(batch, named, schema)

    def counted(self, asked: Asked, what: str, group: str) -> Iterator[tuple[Any, ...]]:
        """Aggregates of each day's rows, in SQL over our columns and ``_labels``: how many different ones a row has.

        :param what, group: what is selected, and by what it is grouped.
        """
        for connection, view in self._views(asked, [*OWN, *LABEL, "_labels"]):
            yield from connection.sql(f"SELECT {group}, {what} FROM {view} GROUP BY ALL").fetchall()  # noqa: S608

    def _columns(self, asked: Asked) -> dict[str, str]:
        parts = (part for day in self._between(asked) for part in self._days.of(day).rows)
        return merged(part.columns for part in parts)

    def _between(self, asked: Asked) -> Iterator[str]:
        return days_between(self._refs, asked.since, asked.until)

    def _views(self, asked: Asked, names: Sequence[str]) -> Iterator[tuple[DuckDBPyConnection, str]]:
        """For each day, a connection and the SQL of its rows with their labels, with the columns of :func:`_column`."""
        kinds = {name: kind for name, kind in self._columns(asked).items() if name in names and kind != NULL}
        labelled = not {*LABEL, "_labels"}.isdisjoint(names)
        with engine() as connection:
            for day in self._between(asked):
                found = self._days.of(day)
                parts = [part for part in found.rows if part.last >= asked.since and part.first < asked.until]
                if not parts:
                    continue
                with self._local(day, parts, found if labelled else Day()) as (rows, labels):
                    files = zip(parts, rows, strict=True)
                    union = " UNION ALL ".join(_file(part, path, kinds, asked) for part, path in files)
                    yield connection, f"({_joined(union, labels, asked) if labelled else union})"

    @contextmanager
    def _local(
        self, day: str, parts: Sequence[RowsPart], labels: Day
    ) -> Iterator[tuple[list[Path], list[Path]]]:
        """The files of a day on this machine."""
        with tempfile.TemporaryDirectory(prefix="airflow-mlops-answers-") as name:
            folder = Path(name)
            rows = [self._files.download("rows", day, part.sha256, folder) for part in parts]
            yield rows, [self._files.download("labels", day, one.sha256, folder) for one in labels.labels]


def _column(name: str) -> str:
    """How a column is called in SQL: by its hex, as DuckDB takes ``Dest`` and ``dest`` for one."""
    return name if name in OWN or name in LABEL else quoted(f"raw_{name.encode().hex()}")


def _file(part: RowsPart, path: Path, kinds: dict[str, str], asked: Asked) -> str:
    """The rows of one file, with the columns of all."""
    have = dict(part.columns)
    places = {name: f"c{place}" for place, name in enumerate([*OWN, *have])}
    chosen = [f"{places[name]} AS {name}" for name in OWN]
    for name, kind in kinds.items():
        value = "NULL" if have.get(name, NULL) == NULL else places[name]
        chosen.append(f"{value}::{_SQL[kind]} AS {_column(name)}")
    source = (
        f"read_parquet({literal(str(path))}, hive_partitioning = false) AS t({', '.join(places.values())})"
    )
    return f"SELECT * FROM (SELECT {', '.join(chosen)} FROM {source}){asked.rows_where}"  # noqa: S608 (quoted)


def _joined(rows: str, labels: Sequence[Path], asked: Asked) -> str:
    """Rows with their newest labels; of two of the same time the larger one."""
    if not labels:
        return f"SELECT *, NULL::DOUBLE _label, NULL::TIMESTAMPTZ _label_at, 0 _labels FROM ({rows})"  # noqa: S608
    files = ", ".join(literal(str(path)) for path in labels)
    known = f"read_parquet([{files}], hive_partitioning = false){asked.labels_where}"
    newest = f"SELECT _inference_id, _row, {_NEWEST} FROM {known} GROUP BY ALL"  # noqa: S608 (quoted)
    return f"SELECT r.*, {_LABELLED} FROM ({rows}) r LEFT JOIN ({newest}) l USING (_inference_id, _row)"  # noqa: S608


_NEWEST = "max({'at': _label_at, 'label': _label}) newest, count(DISTINCT _label) labels"
_LABELLED = "l.newest.label _label, l.newest.at _label_at, coalesce(l.labels, 0) _labels"
#: The types of requests' columns in SQL.
_SQL = {"double": "DOUBLE", "bool": "BOOLEAN", "timestamp[us, tz=UTC]": "TIMESTAMPTZ", TEXT: "VARCHAR"}


def _moment(at: datetime) -> str:
    return f"TIMESTAMPTZ {literal(at.astimezone(timezone.utc).isoformat())}"


def _in_schema(batch: pa.RecordBatch, named: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    found = {name: batch.column(place) for place, name in enumerate(named)}
    arrays = [
        found[field.name].cast(field.type) if field.name in found else pa.nulls(batch.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
