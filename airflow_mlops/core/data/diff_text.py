"""A difference of two dataset versions as text for a terminal or a log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_mlops.core.data.diff import ColumnShift, VersionDiff

_HEADINGS = ("column", "missing", "distinct", "mean", "distance", "")
_SHORT = {"kolmogorov_smirnov": "KS", "total_variation": "TV", None: ""}


def diff_lines(diff: VersionDiff) -> list[str]:
    """The difference as lines: rows, schema, and a table of the columns, those that moved most first."""
    return [
        f"{diff.a.name}@{diff.a.id} ({diff.rows_a:,} rows) -> {diff.b.name}@{diff.b.id} ({diff.rows_b:,} rows)",
        _rows(diff),
        *_schema(diff),
        "",
        *table([_headings(diff), *(_cells(column, bool(diff.rows.key)) for column in _moved_first(diff))]),
    ]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Aligned columns: the first and the last to the left, the others, numbers, to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if place in (0, last) else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _rows(diff: VersionDiff) -> str:
    rows = diff.rows
    changed = "" if rows.changed is None else f"{rows.changed:,} changed, "
    by = f"by {', '.join(rows.key)}" if rows.key else "whole rows, in the columns that both have"
    return f"rows: {rows.added:,} added, {rows.removed:,} removed, {changed}{rows.same:,} the same ({by})"


def _schema(diff: VersionDiff) -> Iterator[str]:
    changes = (("added", diff.columns_added), ("removed", diff.columns_removed))
    for word, names in changes:
        if names:
            yield f"columns {word}: {', '.join(names)}"
    for pair in diff.renamed:
        yield f"perhaps renamed: {pair.old} -> {pair.new} (values {pair.distance:.3f} apart)"
    for column in diff.retyped:
        yield f"type of {column.name}: {column.type_a} -> {column.type_b}"
    if not (diff.columns_added or diff.columns_removed or diff.retyped):
        yield "schema: the same"


def _moved_first(diff: VersionDiff) -> list[ColumnShift]:
    """Columns whose values moved or went missing most come first."""
    return sorted(diff.columns, key=lambda one: -max(one.distance or 0.0, abs(one.nulls_b - one.nulls_a)))


def _headings(diff: VersionDiff) -> tuple[str, ...]:
    return (*_HEADINGS[:-1], "changed", "") if diff.rows.key else _HEADINGS


def _cells(column: ColumnShift, keyed: bool) -> tuple[str, ...]:
    changed = ("-" if column.changed is None else f"{column.changed:,}",) if keyed else ()
    return (
        column.name,
        _pair(f"{column.nulls_a:.1%}", f"{column.nulls_b:.1%}"),
        _pair(f"{column.distinct_a:,}", f"{column.distinct_b:,}"),
        _pair(_number(column.mean_a), _number(column.mean_b)),
        "-" if column.distance is None else f"{column.distance:.3f}",
        *changed,
        _SHORT[column.measure],
    )


def _pair(one: str, other: str) -> str:
    return one if one == other else f"{one} -> {other}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
