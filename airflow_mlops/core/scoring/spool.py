"""Rows sorted by the day of their event time, in bounded memory: what does not fit waits in files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_DAY = 86_400_000_000
_EPOCH = date(1970, 1, 1)
#: Bytes of rows that are held in memory.
_HELD = 64 << 20


class DaySpool:
    """Rows by day; those of a day keep their order.

    :param folder: for what does not fit into memory.
    :param event_time: column of microseconds in UTC.
    :param held: bytes that are held in memory.
    """

    def __init__(self, folder: Path, event_time: str, held: int = _HELD) -> None:
        self._folder = folder
        self._event_time = event_time
        self._most = held
        self._size = 0
        self._parts: dict[int, list[pa.RecordBatch]] = {}
        self._files: dict[int, list[Path]] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Add rows."""
        import numpy as np
        import pyarrow as pa

        times = batch.column(self._event_time).cast(pa.int64()).to_numpy()
        days = times // _DAY
        if len(days) and (np.diff(days) < 0).any():
            order = np.argsort(days, kind="stable")
            batch, days = batch.take(pa.array(order)), days[order]
        starts = [0, *(np.flatnonzero(np.diff(days)) + 1), len(days)]
        for start, end in pairwise(starts):
            if end > start:
                self._parts.setdefault(int(days[start]), []).append(batch.slice(start, end - start))
        self._size += batch.nbytes
        if self._size > self._most:
            self._spill()

    def days(self) -> list[date]:
        """The days that there are rows of, oldest first."""
        return [_EPOCH + timedelta(days=number) for number in sorted({*self._parts, *self._files})]

    def batches(self, day: date) -> Iterator[pa.RecordBatch]:
        """The rows of a day."""
        import pyarrow as pa

        number = (day - _EPOCH).days
        for path in self._files.get(number, ()):
            with pa.OSFile(str(path)) as stream, pa.ipc.open_stream(stream) as reader:
                yield from reader
        yield from self._parts.get(number, ())

    def _spill(self) -> None:
        import pyarrow as pa

        for day, parts in self._parts.items():
            known = self._files.setdefault(day, [])
            path = self._folder / f"{day}-{len(known)}.arrow"
            with pa.OSFile(str(path), "wb") as stream, pa.ipc.new_stream(stream, parts[0].schema) as writer:
                for part in parts:
                    writer.write_batch(part)
            known.append(path)
        self._parts, self._size = {}, 0
