"""The first bad rows of an expectation in the order of their event times, out of a stream in the order of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.validation.columns import Column
from airflow_mlops.core.validation.found import PARTIAL
from airflow_mlops.core.validation.marks import Marks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa


class FirstRows:
    """Counts the bad rows of one expectation and keeps the first ones; rows of the same time in the files' order.

    :param columns: those whose values are shown.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        import numpy as np

        self.count = 0
        self._columns = columns
        self._times: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
        self._places: list[tuple[int, int]] = []
        self._rows: Any = None

    def update(
        self, hit: npt.NDArray[np.bool_], times: npt.NDArray[np.int64], marks: Marks, batch: pa.RecordBatch
    ) -> None:
        """Look at the next rows. ``hit`` says which ones are bad."""
        import numpy as np
        import pyarrow as pa

        found = np.flatnonzero(hit)
        self.count += len(found)
        if len(self._times) == PARTIAL:
            found = found[times[found] < self._times[-1]]
        if not len(found):
            return
        found = found[np.argsort(times[found], kind="stable")[:PARTIAL]]
        merged = np.concatenate([self._times, times[found]])
        order = np.argsort(merged, kind="stable")[:PARTIAL]
        places = [*self._places, *zip(marks.file[found].tolist(), marks.row[found].tolist(), strict=True)]
        rows = pa.Table.from_batches(
            [batch.select([one.name for one in self._columns]).take(pa.array(found))]
        )
        rows = rows if self._rows is None else pa.concat_tables([self._rows, rows])
        self._times, self._places = merged[order], [places[one] for one in order]
        self._rows = rows.take(pa.array(order))

    def take(self, rows: pa.Table) -> None:
        """Keep rows that are known to be the first ones."""
        self._rows = rows.select([one.name for one in self._columns])

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """File and row of the first ones."""
        return tuple(self._places)

    def values(self) -> list[Any]:
        """What they hold, as Great Expectations would list it: values, pairs, or rows by column."""
        if self._rows is None:
            return []
        frame = self._frame()
        names = [one.name for one in self._columns]
        if len(names) == 1:
            return list(frame[names[0]])
        if len(names) == 2:
            return list(zip(frame[names[0]].to_numpy(), frame[names[1]].to_numpy(), strict=True))
        return list(frame.to_dict("records"))

    def records(self) -> list[dict[Any, Any]]:
        """What they hold, by column."""
        return [] if self._rows is None else list(self._frame().to_dict("records"))

    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        parts: Mapping[str, Any] = {one.name: self._rows.column(one.name) for one in self._columns}
        series = {
            one.name: parts[one.name].to_pandas(date_as_object=False).astype("float64")
            if one.widened
            else parts[one.name].to_pandas(date_as_object=False)
            for one in self._columns
        }
        return pd.DataFrame(series)
