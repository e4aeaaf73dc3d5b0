"""What a scoring read and wrote; see :mod:`airflow_mlops.core.lineage.stages`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.core.data.version import DatasetVersion
from airflow_mlops.core.lineage.naming import location_name, model_name
from airflow_mlops.core.lineage.stages import registered
from airflow_mlops.core.scoring.record import Scored

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
