"""Ground truth on its way into files: each label lies with the days whose answers it belongs to.

A new label is looked for among the ids of all days from :data:`LOOKS_BACK` before it on. One whose id is unknown waits,
and is tried again with what later take-ins bring, for :data:`WAITS`. An answer whose id was asked before, within
:data:`ASKED_AGAIN` days, gets the label that came for the earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from airflow_mlops.core.monitoring.answers.columns import LABEL_FILE, TIME, arrow_type
from airflow_mlops.core.monitoring.answers.days import Days, near
from airflow_mlops.core.monitoring.answers.hashed import (
    Flags,
    Hashes,
    Known,
    Places,
    hashes_of,
    mixed,
    places_in,
)
from airflow_mlops.core.monitoring.answers.parts import Files
from airflow_mlops.core.monitoring.answers.records import LabelsPart
from airflow_mlops.core.monitoring.answers.rows import microseconds

if TYPE_CHECKING:
    import pyarrow as pa

    from airflow_mlops.core.serving.capture import GroundTruth

#: How long a label of an unknown inference id waits for its answer, from the take-in that brought it.
WAITS = timedelta(days=30)
#: Answers of days so long before a label are not looked through for its id.
LOOKS_BACK = timedelta(days=400)
#: Days between two answers with one inference id across which the second one gets the label of the first.
ASKED_AGAIN = 7
#: Labels that are looked for at once; most in one file.
CHUNK, MOST_ROWS = 131_072, 524_288
_SINCE = "_since"


@dataclass(frozen=True)
class _Placed:
    """Labels on their way into a day, and their hashes: of the inference id, the row, and all they say."""

    table: pa.Table
    index: tuple[Hashes, Hashes, Hashes]

    @property
    def at(self) -> npt.NDArray[np.int64]:
        """Their times in microseconds."""
        return _times(self.table)

    def take(self, places: Flags) -> _Placed:
        """Some of them."""
        import pyarrow as pa

        request, key, full = (one[places] for one in self.index)
        return _Placed(self.table.filter(pa.array(places)), (request, key, full))


class _Chunk:
    """Some labels, and what is found out about each; 12 bytes of memory for one, the rest is loaded when needed.

    :param load: gives their table; ``_since`` in it says when they came, in microseconds.
    :param only: the days to look through; None for all.
    """

    def __init__(self, load: Callable[[], pa.Table], now: int, only: frozenset[str] | None = None) -> None:
        self._load = load
        self.only = only
        table = load()
        self.request = hashes_of(table.column("_inference_id").to_pylist())
        at = _times(table)
        self.earliest = int(at.min())
        self.skewed = at > now
        self.matched, self.repeated, self.corrected = (np.zeros(len(at), dtype=np.bool_) for _ in range(3))

    def some(self, places: Places) -> _Placed:
        """The labels at some places."""
        table = self._load().take(places)
        return _Placed(table, _index(self.request[places], table))


class LabelsIntake:
    """Takes labels, in any order, and adds files of those that are new to the days of their answers.

    :param now: labels of a later time are counted as skewed.
    :ivar labels, repeated, corrected, skewed: counts of what came; ``unknown``, ``given_up``: of what waits.
    """

    def __init__(self, files: Files, days: Days, now: datetime, until: datetime, scratch: Path) -> None:
        self._files = files
        self._days = days
        self._now = microseconds(now)
        self._until = until
        self._scratch = scratch
        self._chunks: list[_Chunk] = []
        self.labels = self.repeated = self.corrected = self.skewed = self.unknown = self.given_up = 0

    def take(self, labels: Iterable[GroundTruth]) -> Iterator[int]:
        """Put new labels aside on the disk, chunk by chunk; after each one, how many came so far."""
        source = iter(labels)
        came = 0
        while some := list(islice(source, CHUNK)):
            load = _on_disk(_label_table(some, self._until), self._scratch / f"labels-{came}.arrow")
            self._chunks.append(_Chunk(load, self._now))
            came += len(some)
            yield came

    def place(self, waiting: str | None) -> str | None:
        """Give the labels to the days of their answers; the file of those that wait, and None without any.

        :param waiting: the file of those that waited before.
        """
        touched = frozenset(self._days.changed)
        self._hand_on(touched)
        new = list(self._chunks)
        if waiting is not None:
            table = self._files.read("waiting", "", waiting)
            self._chunks.insert(0, _Chunk(lambda: table, self._now, touched))
        for day in self._days:
            self._place_in(day)
        for chunk in new:
            self.skewed += int(chunk.skewed.sum())
            self.repeated += int(chunk.repeated.sum())
            self.labels += int((~chunk.repeated).sum())
        for chunk in self._chunks:
            self.corrected += int(chunk.corrected.sum())
        return self._wait()

    def merge(self, day: str, parts: tuple[LabelsPart, ...]) -> tuple[LabelsPart, ...]:
        """One file, or a few, in place of several."""
        tables = (self._files.read("labels", day, part.sha256) for part in parts)
        indices = (tuple(self._files.read_index(part.index)) for part in parts)
        return tuple(self._parts(day, [_Placed(*one) for one in zip(tables, indices, strict=True)]))

    def _place_in(self, day: str) -> None:
        """Give a day the labels of its answers."""
        chunks = [chunk for chunk in self._chunks if self._looks_into(chunk, day)]
        if not chunks or not (parts := self._days.of(day)).rows:
            return
        _, request, at = self._days.index(parts.rows)
        order = np.lexsort((at, request))
        request, asked = request[order], at[order].view(np.int64)
        known: tuple[Known, Known] | None = None
        found = []
        for chunk in chunks:
            hit, places = places_in(request, chunk.request)
            if not hit.any():
                continue
            known = known or self._known(parts.labels)
            chunk.matched |= hit
            hits = np.flatnonzero(hit)
            some = chunk.some(hits)
            chunk.skewed[hits] |= some.at < asked[places[hits]]
            fresh = known[1].fresh(some.index[2])
            chunk.repeated[hits[~fresh]] = True
            some = some.take(fresh)
            chunk.corrected[hits[fresh]] |= ~known[0].fresh(some.index[1])
            found.append(_Placed(some.table.select(list(LABEL_FILE)), some.index))
            if sum(one.table.num_rows for one in found) >= CHUNK:
                self._add(day, found)
                found = []
        self._add(day, found)

    def _looks_into(self, chunk: _Chunk, day: str) -> bool:
        if chunk.only is not None:
            return day in chunk.only
        earliest = chunk.earliest - LOOKS_BACK // timedelta(microseconds=1)
        end = date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal() + 1
        return end * 86_400_000_000 > earliest

    def _hand_on(self, touched: frozenset[str]) -> None:
        """Copy labels to new answers whose ids are those of other days' answers that have some."""
        for day in sorted(touched):
            parts = self._days.of(day)
            neighbours = [
                other
                for other in self._days
                if other != day and near(day, other, ASKED_AGAIN) and self._days.of(other).labels
            ]
            if not neighbours:
                continue
            request = np.unique(self._days.index(parts.rows)[1])
            known = self._known(parts.labels)[1]
            found = []
            for other in neighbours:
                for part in self._days.of(other).labels:
                    found += self._of_ids(other, part, request, known)
            self._add(day, found)

    def _of_ids(self, day: str, part: LabelsPart, request: Hashes, known: Known) -> list[_Placed]:
        """The labels in a file that belong to some ids and are not known."""
        theirs, key, full = self._files.read_index(part.index)
        hits = np.flatnonzero(places_in(request, theirs)[0])
        hits = hits[known.fresh(full[hits])]
        if not len(hits):
            return []
        table = self._files.read("labels", day, part.sha256).take(hits)
        return [_Placed(table, (theirs[hits], key[hits], full[hits]))]

    def _known(self, parts: tuple[LabelsPart, ...]) -> tuple[Known, Known]:
        """Rows that have a label, and labels that are there."""
        _, key, full = self._days.index(parts)
        return Known(key), Known(full)

    def _add(self, day: str, found: list[_Placed]) -> None:
        if sum(one.table.num_rows for one in found):
            self._days.add(day, labels=tuple(self._parts(day, found)))

    def _parts(self, day: str, found: list[_Placed]) -> Iterator[LabelsPart]:
        import pyarrow as pa

        table = pa.concat_tables([one.table for one in found]).combine_chunks()
        index = [np.concatenate(one) for one in zip(*(one.index for one in found), strict=True)]
        for start in range(0, table.num_rows, MOST_ROWS):
            some = table.slice(start, MOST_ROWS)
            hashes = (one[start : start + MOST_ROWS] for one in index)
            yield LabelsPart(
                sha256=self._files.write("labels", day, some),
                index=self._files.write_index(*hashes),
                rows=some.num_rows,
            )

    def _wait(self) -> str | None:
        """Store the labels that belong to no answer, each once; let those go that waited for too long."""
        import pyarrow as pa

        known, left = Known(), []
        oldest = microseconds(self._until - WAITS)
        # those that waited before are the first: a repetition of one does not wait for longer
        for chunk in self._chunks:
            alone = chunk.some(np.flatnonzero(~chunk.matched))
            fresh = known.fresh(alone.index[2])
            if chunk.only is None:
                self.labels -= int((~fresh).sum())
                self.repeated += int((~fresh).sum())
            rest = alone.take(fresh).table
            young = np.asarray(rest.column(_SINCE)) >= oldest
            self.given_up += int((~young).sum())
            left.append(rest.filter(pa.array(young)))
        table = pa.concat_tables(left) if left else None
        self.unknown = table.num_rows if table is not None else 0
        return self._files.write("waiting", "", table) if self.unknown else None


def _label_table(labels: list[GroundTruth], until: datetime) -> pa.Table:
    import pyarrow as pa

    made = {
        "_inference_id": pa.array([label.inference_id for label in labels], pa.string()),
        "_row": pa.array([label.row for label in labels], pa.int64()),
        "_label": pa.array([label.label for label in labels], pa.float64()),
        "_label_at": pa.array([label.at for label in labels], arrow_type(TIME)),
        _SINCE: pa.array(np.full(len(labels), microseconds(until))),
    }
    return pa.table(made)


def _on_disk(table: pa.Table, path: Path) -> Callable[[], pa.Table]:
    """Put a table into a file; what it returns maps the file, as long as the table is in use."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return lambda: pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _times(table: pa.Table) -> npt.NDArray[np.int64]:
    import pyarrow as pa

    at: npt.NDArray[np.int64] = table.column("_label_at").cast(pa.int64()).to_numpy()
    return at


def _index(request: Hashes, table: pa.Table) -> tuple[Hashes, Hashes, Hashes]:
    """Hashes per label: of its inference id, of that and its row, and of all it says."""
    key = mixed(request, table.column("_row").to_numpy())
    # 0.0 takes the sign from -0.0, which is the same label
    label = table.column("_label").to_numpy() + 0.0
    return request, key, mixed(key, _times(table), label.view(np.int64))
