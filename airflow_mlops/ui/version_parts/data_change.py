"""What changed between the data of two versions, from their manifests alone: no row is read."""

from __future__ import annotations

from airflow_mlops.core.card.blocks import Block, Cell, Code, Facts, Pre, Table, Words, capped
from airflow_mlops.core.data.version import Column, DatasetVersion
from airflow_mlops.core.evaluation.page_sections import number
from airflow_mlops.core.overview.comparison import data_change
from airflow_mlops.core.wording import count, counted, day, line, some

#: Columns that are shown, those that moved most.
_MOST = 12
#: A column that moved less than this share of its range, and is missing about as often, is not shown.
_LEAST = 0.001


def in_a_line(before: DatasetVersion, after: DatasetVersion) -> str:
    """``82,599 more rows, 3 files new and 0 gone, 2 columns changed``."""
    if before.id == after.id:
        return "the same data"
    change = data_change(before, after)
    rows = change.rows
    told = [counted(abs(rows), f"{'more' if rows > 0 else 'fewer'} row") if rows else "as many rows"]
    told.append(f"{counted(change.files_new, 'file')} new and {change.files_gone:,} gone")
    schema = len((*change.columns_added, *change.columns_removed, *change.columns_retyped))
    if schema:
        told.append(f"{counted(schema, 'column')} changed")
    return ", ".join(told)


def changes(before: DatasetVersion, after: DatasetVersion) -> list[Block]:
    """Rows, files, period, schema, and the columns whose statistics moved most."""
    if before.id == after.id:
        return [Words("It learned from the same data: nothing changed.")]
    change = data_change(before, after)
    schema = [
        *(f"{line(name, 60)} is new" for name in change.columns_added),
        *(f"{line(name, 60)} is gone" for name in change.columns_removed),
        *(line(one, 140) for one in change.columns_retyped),
    ]
    facts: list[tuple[str, Cell]] = [
        ("rows", f"{count(before.rows)} → {count(after.rows)} ({change.rows:+,})"),
        ("files", f"{change.files_kept:,} the same, {change.files_new:,} new, {change.files_gone:,} gone"),
        ("events from", _pair(day(before.first_event), day(after.first_event))),
        ("events until", _pair(day(before.last_event), day(after.last_event))),
        ("columns", some(schema, _MOST, "; ") if schema else "the same, of the same types"),
    ]
    return [Facts(facts), *_moved(before, after)]


def command(model: str, before: DatasetVersion, after: DatasetVersion) -> Pre:
    """What compares the rows themselves."""
    name = before.name if before.name == after.name else model
    return Pre(f"airflow-mlops data diff {line(name)} {line(before.id)} {line(after.id)} --store STORE")


def _moved(before: DatasetVersion, after: DatasetVersion) -> list[Block]:
    """The columns that moved, by the distance of their means as a share of their range before."""
    known = {one.name: one for one in before.columns}
    found: list[tuple[float, tuple[Cell, ...]]] = []
    for new in after.columns:
        old = known.get(new.name)
        if old is None:
            continue
        missing = [one.nulls / rows if rows else 0.0 for one, rows in ((old, before.rows), (new, after.rows))]
        moved = _distance(old, new)
        weight = max(moved or 0.0, abs(missing[1] - missing[0]))
        if weight < _LEAST and old.type == new.type:
            continue
        row: tuple[Cell, ...] = (
            Code(line(new.name, 100)),
            _pair(*(f"{share:.1%}" for share in missing)),
            _pair(number(old.mean), number(new.mean)),
            "" if moved is None else f"{moved:.1%}",
        )
        found.append((weight, row))
    if not found:
        return [Words("No column's mean or share of missing values moved by a thousandth of its range.")]
    found.sort(key=lambda one: -one[0])
    caption, rows = capped("Columns that moved, the most first", [row for _, row in found], _MOST)
    return [Table(caption, ("column", "missing", "mean", "moved by, of its range"), rows, numbers=3)]


def _distance(old: Column, new: Column) -> float | None:
    """How far the mean moved, as a share of the range that the column had; None where either is unknown."""
    if old.mean is None or new.mean is None:
        return None
    if not isinstance(old.min, (int, float)) or not isinstance(old.max, (int, float)):
        return None
    width = old.max - old.min
    if not width > 0:
        return 0.0 if old.mean == new.mean else 1.0
    return abs(new.mean - old.mean) / width


def _pair(one: str, other: str) -> str:
    return one if one == other else f"{one} → {other}"
