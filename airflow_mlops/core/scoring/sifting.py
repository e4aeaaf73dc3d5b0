"""The rows of a scoring as they stream by: those that can be predicted go on, the others are set aside with reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.scoring.fitting import EXPECTED, fit
from airflow_mlops.core.scoring.origin import numbered
from airflow_mlops.core.scoring.plan import Plan
from airflow_mlops.core.store import Store
from airflow_mlops.core.validation.marks import BITS, Marks, words_for
from airflow_mlops.core.validation.quarantine import Quarantine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

#: So many rows on which the model itself fails are set aside; more of them, and it is the model that is broken.
MOST_FAILED = 100


@dataclass(frozen=True)
class Rows:
    """Some rows of one file.

    :param file: index in the files of the plan's source.
    :param row: index of each within that file.
    :param given: the columns that the plan reads, as the source has them.
    :param fitted: what the choice needs of them, as it takes it.
    """

    file: int
    row: npt.NDArray[np.int64]
    given: pa.RecordBatch
    fitted: pa.RecordBatch

    def take(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """The rows where ``mask`` is true."""
        import pyarrow as pa

        chosen = pa.array(mask)
        return Rows(self.file, self.row[mask], self.given.filter(chosen), self.fitted.filter(chosen))


class Aside:
    """Rows that can't be predicted: counted by reason, and kept whole where there is a quarantine.

    :param plan: whose inputs they do not fit.
    """

    def __init__(self, plan: Plan) -> None:
        self._inputs = [column.name for column in plan.choice.inputs]
        self.reasons = {
            number: f"{column.name}: {EXPECTED[column.type]}"
            for number, column in enumerate(plan.choice.inputs)
        }
        self.counts: Counter[str] = Counter()
        self.rows = 0
        self._words = words_for(len(self._inputs) + MOST_FAILED)
        self._quarantine: Quarantine | None = None

    def keep_in(self, quarantine: Quarantine) -> None:
        """Keep the rows there from now on; it shares ``reasons``, which may grow."""
        self._quarantine = quarantine

    def unfit(self, rows: Rows, bad: Mapping[int, npt.NDArray[np.bool_]]) -> None:
        """Set rows aside that do not fit some inputs.

        :param bad: for the number of an input, the rows (of ``rows``) that do not fit it.
        """
        import numpy as np

        broken = np.logical_or.reduce(list(bad.values()))
        words = np.zeros((len(rows.row), self._words), dtype=np.int64)
        for number, mask in bad.items():
            words[mask, number // BITS] |= np.int64(1) << np.int64(number % BITS)
            self.counts[self.reasons[number]] += int(mask.sum())
        self._put(rows.take(broken), words[broken])

    def failed(self, rows: Rows, why: Mapping[int, str]) -> None:
        """Set rows aside on which the model failed. :param why: by their place in ``rows``."""
        import numpy as np

        mask = np.zeros(len(rows.row), dtype=bool)
        words = np.zeros((len(rows.row), self._words), dtype=np.int64)
        for place, text in why.items():
            number = self._number(text)
            mask[place] = True
            words[place, number // BITS] |= np.int64(1) << np.int64(number % BITS)
            self.counts[text] += 1
        self._put(rows.take(mask), words[mask])

    def _number(self, text: str) -> int:
        found = next((number for number, known in self.reasons.items() if known == text), None)
        if found is None:
            found = len(self.reasons)
            self.reasons[found] = text
        return found

    def _put(self, rows: Rows, words: npt.NDArray[np.int64]) -> None:
        import numpy as np

        self.rows += len(rows.row)
        if self._quarantine is not None:
            places = np.full(len(rows.row), rows.file, dtype=np.int64)
            self._quarantine.add(Marks(places, rows.row, words), rows.given)


def sift(store: Store, plan: Plan, aside: Aside) -> Iterator[Rows]:
    """The rows of a plan that fit, in the order of the dataset version; memory is that of a batch.

    :param aside: gets the others.
    :raises KeyMissing, IntegrityError: if pinned bytes are gone or changed, naming the file.
    """
    import numpy as np
    import pyarrow as pa

    for file, row, given in numbered(store, plan.dataset, plan.source, plan.reads):
        columns: dict[str, Any] = {name: given.column(name) for name in plan.choice.needs}
        bad = {}
        for number, column in enumerate(plan.choice.inputs):
            columns[column.name], misfit = fit(given.column(column.name), column.type)
            if misfit.any():
                bad[number] = misfit
        # without columns a batch would have no rows
        fitted = pa.RecordBatch.from_pydict(columns) if columns else given.select([plan.dataset.event_time])
        rows = Rows(file, row, given, fitted)
        if bad:
            aside.unfit(rows, bad)
            rows = rows.take(~np.logical_or.reduce(list(bad.values())))
        if len(rows.row):
            yield rows
