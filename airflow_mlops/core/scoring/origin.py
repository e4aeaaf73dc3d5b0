"""Where the rows of a joined dataset version stand in the files that they came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_mlops.core.data.join import join
from airflow_mlops.core.data.reading import load_version, read_batches, read_numbered
from airflow_mlops.core.data.source import DataRoot
from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store
from airflow_mlops.spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

_JOIN = "join"


def joined(
    store: Store,
    root: DataRoot,
    spec: ModelSpec,
    version: DatasetVersion,
    *,
    by: str,
    progress: Progress = ignore,
) -> DatasetVersion:
    """The rows with the columns of ``data.joins`` that they do not have, as a release joins them.

    :param by: who asks for it.
    :raises SpecError, DataError: as :func:`~airflow_mlops.core.data.join.join`.
    """
    there = {column.name for column in version.columns}
    lacking = [one for one in spec.data.joins if not there.issuperset(one.columns)]
    if not lacking:
        return version
    wanted = spec.with_overrides({"data": {"joins": [one.model_dump(mode="json") for one in lacking]}})
    return join(store, root, wanted, version, by=by, progress=progress)


def source_of(store: Store, dataset: DatasetVersion) -> DatasetVersion:
    """The version whose files hold the rows: that which others were joined to, or the version itself."""
    if dataset.derivation is None or dataset.derivation.kind != _JOIN:
        return dataset
    parent = dataset.derivation.parents[0]
    return load_version(store, parent.name, parent.id, root=dataset.source_root)


def numbered(
    store: Store, dataset: DatasetVersion, source: DatasetVersion, columns: Sequence[str]
) -> Iterator[tuple[int, npt.NDArray[np.int64], pa.RecordBatch]]:
    """The rows of ``dataset``, with the index of their file in ``source.files`` and their indices within that file.

    A join keeps the order of the rows, so both are gone through side by side.
    """
    if source is dataset:
        yield from read_numbered(store, dataset, columns)
        return
    places = ((file, row) for file, row, _ in read_numbered(store, source, [source.event_time]))
    file, row = next(places)
    for batch in read_batches(store, dataset, columns):
        start = 0
        while start < len(batch):
            if not len(row):
                file, row = next(places)
            count = min(len(batch) - start, len(row))
            yield file, row[:count], batch.slice(start, count)
            start, row = start + count, row[count:]
