"""The loop guard: how much of a model's data its own answers may have shaped.

Whoever acts on a prediction changes the outcome: an order that was called late is sent by express and comes in time.
A model that learns from such rows learns what it has done itself. Which rows these are nobody can tell from the data;
that they are events of the time since a version answered can be told, and is an upper bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_mlops.core.registry.deployment import Deployment
from airflow_mlops.core.registry.deployments import DeploymentLog

if TYPE_CHECKING:
    from airflow_mlops.core.data.version import DatasetVersion
    from airflow_mlops.core.store import Store


def first_answer(entries: Iterable[Deployment]) -> datetime | None:
    """When a version of the model first answered as champion; None if none ever did.

    :param entries: of the deployment log, oldest first.
    """
    return next(
        (entry.at for entry in entries if entry.champion is not None and entry.action != "fallback"), None
    )


def shaped_share(store: Store, model: str, version: DatasetVersion) -> float:
    """Share of a dataset version's rows whose events lie after a version of ``model`` first answered as champion.

    An upper bound of the share that the model's own answers have shaped; 0 before the first champion. The column of
    event times is read only where the range of the version's events does not decide.
    """
    first = first_answer(entry for _, entry in DeploymentLog(store, model).log.entries())
    if first is None or version.last_event < first:
        return 0.0
    if version.first_event >= first:
        return 1.0
    return _share_from(store, version, first)


def _share_from(store: Store, version: DatasetVersion, first: datetime) -> float:
    import pyarrow as pa
    import pyarrow.compute as pc

    from airflow_mlops.core.data.event_time import time_type, to_utc
    from airflow_mlops.core.data.reading import read_batches

    start, rows, later = pa.scalar(first, time_type()), 0, 0
    for batch in read_batches(store, version, [version.event_time]):
        rows += len(batch)
        after = pc.greater_equal(to_utc(batch.column(0)), start)
        later += pc.sum(after).as_py() or 0
    return later / rows if rows else 0.0
