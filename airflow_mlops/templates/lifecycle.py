"""All DAGs of a model from one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.monitor import monitor
from airflow_mlops.templates.release import release
from airflow_mlops.templates.rollback import rollback
from airflow_mlops.templates.rollout import rollout

if TYPE_CHECKING:
    from airflow.sdk import DAG


def lifecycle(
    spec: ModelSpec, *, mlops_conn_id: str | None = None, poll_interval: float | None = None
) -> tuple[DAG, ...]:
    """Make ``<model>.release``, ``<model>.monitor``, ``<model>.rollout`` and ``<model>.rollback``.

    Called at the top level of a DAG file, that is all: the DAGs register themselves.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param poll_interval: seconds between two looks at a rollout; without one, ``[mlops] poll_interval``.
    """
    return (
        release(spec, mlops_conn_id=mlops_conn_id, poll_interval=poll_interval),
        monitor(spec, mlops_conn_id=mlops_conn_id),
        rollout(spec, mlops_conn_id=mlops_conn_id),
        rollback(spec, mlops_conn_id=mlops_conn_id),
    )
