"""All DAGs of a model from one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.erase import erase
from airflow_mlops.templates.monitor import monitor
from airflow_mlops.templates.release import release
from airflow_mlops.templates.reproduce import reproduce
from airflow_mlops.templates.rollback import rollback
from airflow_mlops.templates.rollout import rollout
from airflow_mlops.templates.score import score

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseNotifier


def lifecycle(
    spec: ModelSpec,
    *,
    mlops_conn_id: str | None = None,
    poll_interval: float | None = None,
    notifiers: Sequence[BaseNotifier] = (),
) -> tuple[DAG, ...]:
    """Make ``<model>.release``, ``.monitor``, ``.rollout``, ``.rollback`` and ``.reproduce``; where the spec has a
    section ``scoring`` also ``.score``, and where it has ``data.subject`` also ``.erase``.

    Called at the top level of a DAG file, that is all: the DAGs register themselves.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param poll_interval: seconds between two looks at a rollout; without one, ``[mlops] poll_interval``.
    :param notifiers: of any provider, told what people should know; templates find it as ``mlops_alert``.
    """
    place: dict[str, Any] = {"mlops_conn_id": mlops_conn_id}
    dags = [
        release(spec, poll_interval=poll_interval, notifiers=notifiers, **place),
        monitor(spec, notifiers=notifiers, **place),
        rollout(spec, **place),
        rollback(spec, notifiers=notifiers, **place),
        reproduce(spec, **place),
    ]
    if spec.scoring is not None:
        dags.append(score(spec, **place))
    if spec.data.subject is not None:
        dags.append(erase(spec, **place))
    return tuple(dags)
