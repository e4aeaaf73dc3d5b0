"""What an endpoint was proved to serve, and since when.

Captures of SageMaker do not say under which deployment they were answered; this log does, by their time.
"""

from __future__ import annotations

from datetime import datetime

from airflow_mlops.core.record import Record
from airflow_mlops.core.registry.deployments import Desired
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.log import Log


class Served(Record):
    """One proof: from ``at`` on the endpoint served ``desired``, seen by its own description."""

    desired: Desired
    at: datetime


def served_log(store: Store, model: str) -> Log[Served]:
    """The log of proofs of one model's endpoint."""
    return Log(store, f"endpoints/{model}/served", Served)
