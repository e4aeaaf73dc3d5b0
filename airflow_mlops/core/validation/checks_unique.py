"""Keys that name a row once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import read_batches
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.errors import SpecError
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.mask import mask
from airflow_mlops.core.validation.result import ExpectationResult

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import pyarrow as pa

_EXAMPLES = 5
_MEMORY = "512MB"


def check_unique(store: Store, key: Sequence[str], version: DatasetVersion) -> ExpectationResult:
    """Whether the columns of ``key`` name each row once; rows that miss the same parts of it are alike, too.

    Examples are masked and come with the times of their rows: a key often is a person's. Memory is bounded: DuckDB
    groups the keys in 512 MB and goes to disk beyond.

    :raises SpecError: if the version lacks a column of the key.
    """
    known_columns("validation.unique", key, version)
    columns = list(dict.fromkeys(key))
    time = version.event_time
    with _engine() as engine:
        batches = read_batches(store, version, list(dict.fromkeys([*columns, time])))
        keys, rows, examples = _duplicates(engine, columns, time, batches)
    if rows:
        reason = f"{rows:,} rows share {keys:,} keys; e.g. {'; '.join(examples)}"
    else:
        reason = f"each of {version.rows:,} rows has a key of its own"
    return ExpectationResult(
        type="check_unique",
        column=", ".join(columns),
        severity="fail",
        success=not rows,
        unexpected_count=rows,
        unexpected_share=rows / version.rows,
        element_count=version.rows,
        examples=examples,
        reason=reason,
    )


def known_columns(field: str, names: Sequence[str], version: DatasetVersion) -> None:
    """Refuse names that are no columns of the version. :raises SpecError: naming the field and close matches."""
    known = [column.name for column in version.columns]
    missing = [name for name in names if name not in known]
    if missing:
        near = get_close_matches(missing[0], known, n=3, cutoff=0.5)
        raise SpecError(
            f"{field} names a column that {version.name}@{version.id} does not have",
            given=", ".join(missing[:20]),
            expected=f"close: {', '.join(near)}" if near else f"one of {', '.join(known[:30])}",
        )


@contextmanager
def _engine() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder, duckdb.connect() as engine:
        engine.execute(f"SET memory_limit = '{_MEMORY}'")
        engine.execute("SET preserve_insertion_order = false")
        engine.execute("SET temp_directory = $folder", {"folder": folder})
        yield engine


def _duplicates(
    engine: duckdb.DuckDBPyConnection, columns: Sequence[str], time: str, batches: Iterator[pa.RecordBatch]
) -> tuple[int, int, tuple[str, ...]]:
    """Keys that several rows have, those rows, and a few keys, masked, with their times."""
    import pyarrow as pa

    first = next(batches)
    engine.register("rows", pa.RecordBatchReader.from_batches(first.schema, _chain(first, batches)))
    named = [f"{_quoted(name)} AS k{place}" for place, name in enumerate(columns)]
    keys = [f"k{place}" for place in range(len(columns))]
    engine.execute(
        f"CREATE TEMP TABLE twice AS SELECT {', '.join(keys)}, count(*) AS n, "  # noqa: S608 - our own names
        f"strftime(make_timestamp(min(t)), '%Y-%m-%d %H:%M') AS since, "
        f"strftime(make_timestamp(max(t)), '%Y-%m-%d %H:%M') AS until "
        f"FROM (SELECT {', '.join(named)}, epoch_us({_quoted(time)}) AS t FROM rows) "
        f"GROUP BY {', '.join(keys)} HAVING count(*) > 1"
    )
    (counted,) = engine.execute("SELECT count(*), coalesce(sum(n), 0) FROM twice").fetchall()
    some = engine.execute("SELECT * FROM twice ORDER BY n DESC, since, until LIMIT ?", [_EXAMPLES]).fetchall()
    return int(counted[0]), int(counted[1]), tuple(_example(row, len(columns)) for row in some)


def _chain(first: pa.RecordBatch, rest: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    yield first
    yield from rest


def _example(row: Sequence[Any], parts: int) -> str:
    *_, count, since, until = row
    when = since if since == until else f"{since} to {until}"
    return f"{', '.join(mask(one) for one in row[:parts])} ({count:,} rows, {when})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
