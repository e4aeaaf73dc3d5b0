"""Bad rows, set aside whole: where each one came from, and why it is here."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_mlops.core.data.reading import Rows, read_places
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.store.base import Store
from airflow_mlops.core.store.blobs import put_file
from airflow_mlops.core.validation.outcome import Outcome

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ADDED = ("_source", "_row", "_reasons")


def quarantine(
    store: Store, version: DatasetVersion, rows: Rows, outcomes: Sequence[Outcome]
) -> tuple[str | None, int]:
    """Store every row that broke a failed expectation as one Parquet blob, in the order of the files.

    A data column that is named like an added one is kept as ``data_source`` and so on. Memory: one batch.

    :return: the blob's hash, None when no row is bad, and the number of rows.
    """
    import numpy as np

    reasons, code = _reasons(outcomes, len(rows.file))
    bad = np.flatnonzero(code)
    if not len(bad):
        return None, 0
    bad = bad[np.lexsort((rows.row[bad], rows.file[bad]))]
    codes = {int(file): code[bad[rows.file[bad] == file]] for file in np.unique(rows.file[bad])}
    places = {file: rows.row[bad[rows.file[bad] == file]] for file in codes}
    with tempfile.TemporaryDirectory(prefix="airflow-mlops-") as folder:
        path = Path(folder) / "quarantine.parquet"
        _write(path, store, version, places, codes, reasons)
        return put_file(store, path), len(bad)


def _reasons(outcomes: Sequence[Outcome], rows: int) -> tuple[list[str], npt.NDArray[np.int32]]:
    """Texts, and for each row the index of its text; rows that broke the same expectations share one, 0 is
    none.
    """
    import numpy as np

    texts, code = [""], np.zeros(rows, dtype=np.int32)
    for outcome in outcomes:
        if not len(outcome.bad):
            continue
        told = f"{outcome.result.severity}: {outcome.result.name}"
        before, place = np.unique(code[outcome.bad], return_inverse=True)
        code[outcome.bad] = len(texts) + place
        texts += [f"{texts[one]}; {told}" if texts[one] else told for one in before]
    return texts, code


def _write(
    path: Path,
    store: Store,
    version: DatasetVersion,
    places: dict[int, npt.NDArray[np.int64]],
    codes: dict[int, npt.NDArray[np.int32]],
    reasons: Sequence[str],
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [f"data{column.name}" if column.name in ADDED else column.name for column in version.columns]
    done = dict.fromkeys(places, 0)
    writer: Any = None
    try:
        for number, found, batch in read_places(store, version, places):
            told = codes[number][done[number] : done[number] + len(found)]
            done[number] += len(found)
            added = (
                pa.array([version.files[number].source] * len(found)),
                pa.array(found),
                pa.array([reasons[one] for one in told]),
            )
            table = pa.Table.from_arrays([*batch.columns, *added], names=[*names, *ADDED])
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
