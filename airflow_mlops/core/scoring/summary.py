"""Current predictions, summed up by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from airflow_mlops.core.scoring.record import PREDICTION, VARIANT

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class DaySummary:
    """The predictions for one day.

    :param variants: who predicted how many rows, most first.
    """

    day: date
    rows: int
    mean: float
    least: float
    most: float
    variants: tuple[tuple[str, int], ...]


def by_day(batches: Iterable[tuple[date, pa.RecordBatch]]) -> Iterator[DaySummary]:
    """Sum up predictions that come day by day; memory is that of a batch.

    :param batches: rows and their day.
    """
    open_day: _Day | None = None
    for day, batch in batches:
        if open_day is None or open_day.day != day:
            if open_day is not None:
                yield open_day.summary()
            open_day = _Day(day)
        open_day.add(batch)
    if open_day is not None:
        yield open_day.summary()


class _Day:
    def __init__(self, day: date) -> None:
        self.day = day
        self._rows, self._sum = 0, 0.0
        self._least, self._most = float("inf"), float("-inf")
        self._variants: Counter[str] = Counter()

    def add(self, batch: pa.RecordBatch) -> None:
        import pyarrow.compute as pc

        values = batch.column(PREDICTION)
        found = pc.min_max(values)
        self._rows += len(values)
        self._sum += pc.sum(values).as_py()
        self._least = min(self._least, found["min"].as_py())
        self._most = max(self._most, found["max"].as_py())
        for one in pc.value_counts(batch.column(VARIANT)).to_pylist():
            self._variants[one["values"]] += one["counts"]

    def summary(self) -> DaySummary:
        mean = self._sum / self._rows
        return DaySummary(
            self.day, self._rows, mean, self._least, self._most, tuple(self._variants.most_common())
        )
