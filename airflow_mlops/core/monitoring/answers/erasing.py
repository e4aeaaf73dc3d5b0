"""Rows of a person taken out of the table of answers: new files, an entry that names them, then the old ones go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_mlops.core.errors import LogConflict
from airflow_mlops.core.monitoring.answers.columns import columns_of, stored_name
from airflow_mlops.core.monitoring.answers.days import Days
from airflow_mlops.core.monitoring.answers.hashed import hashes_of
from airflow_mlops.core.monitoring.answers.parts import Files, Kind
from airflow_mlops.core.monitoring.answers.records import Day, Entry, LabelsPart, RowsPart, answers_log
from airflow_mlops.core.monitoring.answers.rows import moment
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.removal import Removal

if TYPE_CHECKING:
    import pyarrow as pa

#: Which values of a column name the person.
Mask = Callable[["pa.Array"], "pa.Array"]
_TRIES = 10
#: In this order files go: rows tell which inference ids are the person's.
_KINDS: tuple[Kind, ...] = ("labels", "waiting", "rows")


@dataclass
class Answered:
    """What the table holds of a person.

    :param ids: inference ids of the person's requests.
    :param rows: rows of the files that count.
    """

    ids: set[str] = field(default_factory=set)
    rows: int = 0


def find_answers(store: Store, model: str, column: str, mask: Mask, ids: set[str]) -> Answered:
    """Rows of a person's requests: those whose ``column`` names the person, and all with the inference ids of these.

    :param ids: that are known from elsewhere.
    """
    found, name = Answered(set(ids)), stored_name(column)
    for _, _, _, table in _tables(store, model, ("rows",)):
        if name in table.column_names:
            for chunk, numbers in _chunks(table, name):
                found.ids.update(numbers.filter(mask(chunk)).to_pylist())
    current = set(_current(store, model))
    for kind, day, sha256, table in _tables(store, model, _KINDS):
        if (kind, day, sha256) in current:
            found.rows += int(_of(table, found.ids).sum())
    return found


def erase_answers(store: Store, removal: Removal, model: str, ids: set[str]) -> None:
    """Take the rows and labels of some inference ids out of the table.

    It may be called again after it was killed: what counts is changed by one entry of the log, and files that no
    longer count are removed afterwards, also those that an earlier try or a take-in has left.

    :raises LogConflict: if take-ins are faster again and again.
    """
    if not ids:
        return
    for _ in range(_TRIES):
        try:
            _write(store, model, ids)
            break
        except LogConflict:
            continue
    else:
        raise LogConflict(f"answers of {model} are taken in by others all the time", given=f"{_TRIES} tries")
    current = set(_current(store, model))
    for kind, day, sha256, table in _tables(store, model, _KINDS):
        if (kind, day, sha256) not in current and _of(table, ids).any():
            removal.remove(Files(store, model).key(kind, day, sha256))


def _write(store: Store, model: str, ids: set[str]) -> None:
    """Make the table anew without the ids, if it has some."""
    log = answers_log(store, model)
    newest = log.newest()
    if newest is None:
        return
    number, before = newest
    files = Files(store, model)
    days = Days(store, files, before.days)
    for day in days:
        old = days.of(day)
        rows = tuple(one for part in old.rows for one in _rows(files, day, part, ids))
        labels = tuple(one for part in old.labels for one in _labels(files, day, part, ids))
        days.replace(day, Day(rows=rows, labels=labels))
    waiting = _waiting(files, before.waiting, ids)
    entry = Entry(taken=before.taken, position=before.position, days=days.kept(), waiting=waiting)
    if entry != before:
        log.append(entry, after=number)


def _rows(files: Files, day: str, part: RowsPart, ids: set[str]) -> Iterator[RowsPart]:
    table = files.read("rows", day, part.sha256)
    gone = _of(table, ids)
    if not gone.any():
        yield part
    elif not gone.all():
        left = _without(table, gone)
        event, request, at = files.read_index(part.index)
        stays = ~np.isin(request, hashes_of(sorted(ids)))
        times = at[stays].view(np.int64)
        yield RowsPart(
            sha256=files.write("rows", day, left),
            index=files.write_index(event[stays], request[stays], at[stays]),
            rows=left.num_rows,
            answers=int(stays.sum()),
            first=moment(int(times.min())),
            last=moment(int(times.max())),
            columns=columns_of(left),
        )


def _labels(files: Files, day: str, part: LabelsPart, ids: set[str]) -> Iterator[LabelsPart]:
    table = files.read("labels", day, part.sha256)
    gone = _of(table, ids)
    if not gone.any():
        yield part
    elif not gone.all():
        left = _without(table, gone)
        index = files.read_index(part.index)[:, ~gone]
        yield LabelsPart(
            sha256=files.write("labels", day, left), index=files.write_index(*index), rows=left.num_rows
        )


def _waiting(files: Files, sha256: str | None, ids: set[str]) -> str | None:
    if sha256 is None:
        return None
    table = files.read("waiting", "", sha256)
    gone = _of(table, ids)
    if not gone.any():
        return sha256
    return files.write("waiting", "", _without(table, gone)) if not gone.all() else None


def _without(table: pa.Table, gone: Any) -> pa.Table:
    import pyarrow as pa

    return table.filter(pa.array(~gone))


def _of(table: pa.Table, ids: set[str]) -> Any:
    """Which rows of a file have one of the ids."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(sorted(ids), pa.string())
    return pc.is_in(table.column("_inference_id"), value_set=known).to_numpy()


def _chunks(table: pa.Table, name: str) -> Iterator[tuple[pa.Array, pa.Array]]:
    """A column and the inference ids beside it."""
    for batch in table.select([name, "_inference_id"]).to_batches():
        yield batch.column(0), batch.column(1)


def _current(store: Store, model: str) -> Iterator[tuple[str, str, str]]:
    """The files that count: kind, day and hash."""
    newest = answers_log(store, model).newest()
    if newest is None:
        return
    entry = newest[1]
    days = Days(store, Files(store, model), entry.days)
    for day in days:
        yield from (("rows", day, part.sha256) for part in days.of(day).rows)
        yield from (("labels", day, part.sha256) for part in days.of(day).labels)
    if entry.waiting is not None:
        yield "waiting", "", entry.waiting


def _tables(store: Store, model: str, kinds: tuple[Kind, ...]) -> Iterator[tuple[Kind, str, str, pa.Table]]:
    """All files of the table that are in the store, also those that do not count."""
    files = Files(store, model)
    for kind in kinds:
        for item in list(store.list(f"answers/{model}/{kind}/")):
            folder, _, name = item.key.rpartition("/")
            day = folder.rpartition("date=")[2] if "date=" in folder else ""
            sha256 = name.removesuffix(".parquet")
            yield kind, day, sha256, files.read(kind, day, sha256)
