"""Labelled rows in the source that a champion has not seen, from listings and footers: no row is read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.data.pin import Pin, pin_key
from airflow_mlops.core.data.row_groups import RowGroup, row_groups
from airflow_mlops.core.data.source import DataRoot, SourceFile
from airflow_mlops.core.data.version import DatasetRef, DatasetVersion, dataset_key
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import read_kept
from airflow_mlops.core.wording import counted

if TYPE_CHECKING:
    from airflow_mlops.spec import ModelSpec


@dataclass(frozen=True)
class NewRows:
    """Labelled rows that are new to a champion.

    :param shaped: share of them whose events lie after the first champion began to answer, an upper bound of what the
        model's own answers have shaped; None where nobody knows.
    :param said: in words.
    """

    rows: int
    shaped: float | None
    said: str


@dataclass(frozen=True)
class _Known:
    """What a dataset version has taken from the source.

    :param files: size and rows of each file; rows are None where they are not known.
    :param until: where its window of event time ends: later rows of its files are new, too.
    """

    files: dict[str, tuple[int, int | None]]
    since: datetime | None
    until: datetime | None


def new_rows(
    store: Store,
    spec: ModelSpec,
    ref: DatasetRef,
    root: DataRoot | None,
    first_answer: datetime | None,
    progress: Progress = ignore,
) -> NewRows | None:
    """What is new in the source since a dataset version was taken; None where nobody knows.

    Of Parquet the footers are read; of CSV and JSON lines the rows are about as long as those of the version. Of a
    table or a query the newest dataset version tells.

    :param ref: the dataset version that the champion was trained on.
    :param first_answer: when a version of the model first answered as champion.
    """
    version = _as_taken(store, ref)
    if version is None:
        return None
    if spec.data.source is None:
        return _of_newest(store, spec.name, version, first_answer)
    if root is None:
        return None
    try:
        listed = root.list(spec.data.source)
        known = _known(version)
        if spec.data.format == "parquet":
            return _of_parquet(spec, root, listed, known, first_answer)
    except DataError as error:
        progress(f"new rows are not known: {error}")
        return None
    return _by_size(listed, known, first_answer)


def _as_taken(store: Store, ref: DatasetRef) -> DatasetVersion | Pin | None:
    """The version as the snapshot took it, before anything was joined to it or left out."""
    while True:
        version = read_kept(store, dataset_key(ref.name, ref.id), DatasetVersion)
        if version is None:
            return read_kept(store, pin_key(ref.name, ref.id), Pin)
        if version.derivation is None or not version.derivation.parents:
            return version
        ref = version.derivation.parents[0]


def _known(version: DatasetVersion | Pin) -> _Known:
    files: dict[str, tuple[int, int | None]]
    if isinstance(version, Pin):
        files = {one.source: (one.size, None) for one in version.objects()}
    else:
        files = {one.source: (one.size, one.rows) for one in version.files}
    return _Known(files, version.since, version.until)


def _of_parquet(
    spec: ModelSpec, root: DataRoot, listed: list[SourceFile], known: _Known, first: datetime | None
) -> NewRows:
    changed = [one for one in listed if known.files.get(one.path, (None,))[0] != one.size]
    cut = [one for one in listed if known.until is not None and one not in changed]
    columns = {"event_time": spec.data.event_time, "label": spec.data.label}
    total, shaped, files = 0.0, 0.0, 0
    for file, found in row_groups(root, [*changed, *cut], **columns):
        groups = [one for one in found or () if not _before(one, known.since)]
        same = file in cut
        rows = _rows(groups, known.until) if same else _beyond(groups, known.files.get(file.path))
        if rows:
            share = _later(groups, first, known.until if same else None)
            total, files = total + rows, files + 1
            shaped += rows * (math.nan if share is None else share)
    number = round(total)
    told = bool(number) and not math.isnan(shaped)
    return NewRows(number, shaped / total if told else None, _said(number, files))


def _beyond(groups: Sequence[RowGroup], seen: tuple[int, int | None] | None) -> float:
    """Labelled rows of a file beyond those that it had when the version was taken."""
    had = (seen[1] or 0) if seen is not None else 0
    return max(0.0, _rows(groups, None) - had)


def _rows(groups: Sequence[RowGroup], since: datetime | None) -> float:
    """Labelled rows with an event from ``since`` on; those whose time is not known do not count."""
    if since is None:
        return float(sum(one.labelled for one in groups))
    return sum(one.labelled_from(since) or 0.0 for one in groups)


def _before(group: RowGroup, since: datetime | None) -> bool:
    """Whether a row group lies before the window of the version: it was left out on purpose."""
    return since is not None and group.last is not None and group.last < since


def _later(groups: Sequence[RowGroup], first: datetime | None, since: datetime | None) -> float | None:
    """Share of the labelled rows from ``since`` on whose events lie after ``first``; None where nobody knows."""
    if first is None:
        return 0.0
    if any(one.first is None for one in groups if one.labelled):
        return None
    rows = _rows(groups, since)
    return _rows(groups, max(first, since) if since else first) / rows if rows else None


def _by_size(listed: list[SourceFile], known: _Known, first: datetime | None) -> NewRows | None:
    """Rows of text files, as if they were as long as those that are known."""
    rows = sum(rows or 0 for _, rows in known.files.values())
    size = sum(size for size, _ in known.files.values())
    if not rows or not size:
        return None
    grown = [max(0, one.size - known.files.get(one.path, (0, 0))[0]) for one in listed]
    number = round(sum(grown) * rows / size)
    return NewRows(number, None if first and number else 0.0, f"about {_said(number, sum(map(bool, grown)))}")


def _of_newest(
    store: Store, name: str, version: DatasetVersion | Pin, first: datetime | None
) -> NewRows | None:
    """By the newest dataset version that somebody has taken since."""
    from airflow_mlops.core.data.catalog import list_versions

    if isinstance(version, Pin):
        return None
    taken = [
        one
        for one in list_versions(store, name)
        if isinstance(one, DatasetVersion) and one.derivation is None and one.created_at > version.created_at
    ]
    if not taken:
        return None
    newest = taken[-1]
    rows = max(0, newest.rows - version.rows)
    if first is None or newest.last_event < first:
        shaped: float | None = 0.0
    else:
        shaped = 1.0 if version.last_event >= first else None
    return NewRows(rows, shaped if rows else None, f"{rows:,} new rows in dataset version {newest.id[:12]}")


def _said(rows: int, files: int) -> str:
    return f"{counted(rows, 'new labelled row')} in {counted(files, 'file')}"
