"""The rollout DAG: a person's hand on a rollout that is under way."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param

from airflow_mlops.operators.control import ACTIONS, RolloutControlOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.by_hand import started_by_hand
from airflow_mlops.templates.ownership import page_of_model
from airflow_mlops.templates.params import reason_param


def rollout(spec: ModelSpec, *, mlops_conn_id: str | None = None, **dag_args: Any) -> DAG:
    """Make the DAG ``<model>.rollout``: hold, resume or abort the rollout in progress.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings: dict[str, Any] = {
        "description": f"Hold, resume or abort the rollout of {spec.name}",
        "doc_md": _doc(spec),
        "default_args": {"retries": 3},
    }
    with started_by_hand(spec, "rollout", settings, _params(), dag_args) as dag:
        task = RolloutControlOperator(
            task_id="control",
            spec=spec,
            mlops_conn_id=mlops_conn_id,
            action=dag.param("action"),
            reason=dag.param("reason"),
        )
        dag.add_result(task.output)
    return dag


def _params() -> dict[str, Param]:
    return {
        # No default: whoever starts this DAG says what it is to do.
        "action": Param(
            type="string",
            enum=list(ACTIONS),
            title="Action",
            description="hold: stay where it is; resume: go on; abort: the champion alone. Example: hold",
        ),
        "reason": reason_param("Why, for the deployment log", "a sale starts today"),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Rollout of `{spec.name}`

Takes seconds: one entry in the deployment log and one reconcile of the endpoint. **hold** keeps the challenger where
it is, at most for {spec.rollout.max_hold}: nothing moves on, and a failed gate still takes it out. **resume** lets it
go on: its stage keeps the evidence and gets its longest duration anew. **abort** takes the challenger out and ends the
release. See {page_of_model(spec, "live-rollout")} for how far it is.

**Returns** what serves then: `champion`, `challenger`, `weight`, `held` and `until`.

**When it fails** no rollout was in progress, or the endpoint did not follow; the log says which. In the
second case run it again once the endpoint is up.
"""
