"""What a champion says of rows that it did not learn from: the yardstick of its answers and of its calibration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_mlops.core.progress import Progress, ignore
from airflow_mlops.core.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from airflow_mlops.core.data.source import DataRoot

#: Newest held-out rows that are scored.
MOST_ROWS = 50_000


@dataclass(frozen=True)
class HeldOut:
    """Labelled rows of the test part of a version's data: at most :data:`MOST_ROWS`, the newest, oldest first.

    :param frame: all columns of the data set that the model or a slice needs; ``labels`` and ``scores`` go with its
        rows.
    """

    frame: pd.DataFrame
    labels: NDArray[np.float64]
    scores: NDArray[np.float64]


def held_out(
    store: Store,
    model: str,
    number: int,
    *,
    columns: tuple[str, ...] = (),
    root: DataRoot | None = None,
    progress: Progress = ignore,
) -> HeldOut:
    """Score the test part of the data of version ``number`` with that version.

    :param columns: further columns of the data set, e.g. those of slices; ones that the data lack are left out.
    :param root: where the data's objects are read from, if the store holds no copy of them.
    :raises RegistryError: if there is no such version.
    :raises IntegrityError: if data or model are not what was recorded.
    """
    from airflow_mlops.core.data.reading import load_version, read_frame
    from airflow_mlops.core.data.split import split_by_time
    from airflow_mlops.core.registry.versions import Registry
    from airflow_mlops.core.training.labels import labels_of
    from airflow_mlops.core.training.predictor import Predictor
    from airflow_mlops.spec import ModelSpec

    record = Registry(store, model).get(number)
    spec = ModelSpec.from_mapping(record.spec)
    version = load_version(store, record.dataset.name, record.dataset.id, root=root, progress=progress)
    known = {column.name for column in version.columns}
    wanted = [spec.data.event_time, spec.data.label, *(one.name for one in record.trained.signature.inputs)]
    wanted += [name for name in columns if name in known]
    frame = read_frame(store, version, columns=list(dict.fromkeys(wanted)))
    test = split_by_time(frame, spec.data.event_time, spec.split).test
    present, labels = labels_of(test, spec.data.label, record.trained.objective)
    rows = test[present].iloc[-MOST_ROWS:]
    predictor = Predictor.load(store, record.trained)
    progress(f"scoring {len(rows):,} held-out rows with version {number}")
    return HeldOut(rows, labels[-MOST_ROWS:], predictor.predict_frame(rows))
