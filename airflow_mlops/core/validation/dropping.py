"""The version that goes on when rows are dropped: all rows but those that broke an expectation of severity drop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_mlops.core.data.derive import derive
from airflow_mlops.core.data.reading import read_numbered
from airflow_mlops.core.data.version import DatasetVersion, Derivation
from airflow_mlops.core.errors import DataError
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.validation.marks import Marks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


@dataclass
class Dropped:
    """The rows to drop, as they stream by in the order of the files.

    :param numbers: the expectations that drop what breaks them.
    """

    numbers: tuple[int, ...] = ()
    rows: int = 0
    _parts: dict[int, list[npt.NDArray[np.int64]]] = field(default_factory=dict)

    def update(self, marks: Marks) -> None:
        """Look at the next bad rows."""
        import numpy as np

        if not self.numbers:
            return
        hit = np.logical_or.reduce([marks.broke(number) for number in self.numbers])
        self.rows += int(hit.sum())
        for file in np.unique(marks.file[hit]):
            self._parts.setdefault(int(file), []).append(marks.row[hit & (marks.file == file)])

    def of_file(self, file: int) -> npt.NDArray[np.int64]:
        """The rows to drop of one file, rising."""
        import numpy as np

        return np.concatenate([np.empty(0, dtype=np.int64), *self._parts.get(file, ())])


def without(
    store: Store, version: DatasetVersion, dropped: Dropped, details: str | None, by: str
) -> DatasetVersion:
    """The version without the dropped rows; ``version`` itself when there are none.

    :param details: the blob in quarantine.
    :param by: who asked for it.
    :raises DataError: if no row would be left.
    """
    if not dropped.rows:
        return version
    if dropped.rows == version.rows:
        raise DataError(
            f"every one of {version.rows:,} rows of {version.name}@{version.id} would be dropped",
            expected="an expectation of severity drop that some rows meet",
            remedy=f"look at the quarantine (blob {(details or '')[:12]})",
        )
    note = f"{dropped.rows:,} of {version.rows:,} rows were dropped, they are in quarantine"
    derivation = Derivation(kind="quarantine", parents=(version.ref,), details=details, by=by, note=note)
    return derive(store, version, _kept(store, version, dropped), derivation)


def _kept(store: Store, version: DatasetVersion, dropped: Dropped) -> Iterator[pa.RecordBatch]:
    import numpy as np
    import pyarrow as pa

    names = [one.name for one in version.columns]
    gone = {file: dropped.of_file(file) for file in range(len(version.files))}
    for file, rows, batch in read_numbered(store, version, names):
        yield batch.filter(pa.array(~np.isin(rows, gone[file])))
