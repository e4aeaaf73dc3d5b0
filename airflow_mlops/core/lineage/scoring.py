"""What a scoring read and wrote; see :mod:`airflow_mlops.core.lineage.stages`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetRef, DatasetVersion
from airflow_mlops.core.lineage.naming import location_name, model_name
from airflow_mlops.core.lineage.stages import registered
from airflow_mlops.core.scoring.record import Scored
from airflow_mlops.core.serving.transform_rows import Predicted

if TYPE_CHECKING:
    from airflow_mlops.core.lineage.datasets import Lineage


def score_lineage(version: DatasetVersion, number: int, entry: Scored, store_uri: str) -> Lineage:
    """A dataset version, and the model version that predicted -> predictions.

    While the fallback rule answers, no version is read.

    :param number: of the entry in the log of predictions; it is their version.
    """
    from airflow_mlops.core.lineage import datasets as ol

    inputs = [ol.version_read(version, store_uri)]
    if entry.version is not None:
        inputs.append(registered(entry.model, entry.version, store_uri))
    place = location_name(store_uri, f"predictions/{entry.model}")
    written = ol.written(
        model_name(entry.model, "predictions"),
        ol.pinned(str(number), place, "FILE"),
        outputStatistics=ol.rows_written(entry.rows, files=len(entry.partitions)),
    )
    return ol.Lineage(inputs=inputs, outputs=[written])


def transform_lineage(done: Predicted, prefix: str, store_uri: str) -> Lineage:
    """A dataset version, and the model version that predicted it in a batch -> predictions.

    :param prefix: below which the predictions lie in the store.
    """
    from airflow_mlops.core.lineage import datasets as ol

    dataset = DatasetRef(name=done.dataset, id=done.dataset_id)
    written = ol.written(
        model_name(done.model, "predictions"),
        ol.pinned(prefix.rstrip("/").rpartition("/")[2], location_name(store_uri, prefix), "FILE"),
        outputStatistics=ol.rows_written(done.rows, files=done.parts),
    )
    inputs = [ol.ref_read(dataset, store_uri, done.rows), registered(done.model, done.version, store_uri)]
    return ol.Lineage(inputs=inputs, outputs=[written])
