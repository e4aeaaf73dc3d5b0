"""The rollback DAG: the way back in one task, and who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, chain

from airflow_mlops.assets import ENDPOINT, create_model_asset
from airflow_mlops.operators.alerting import RollbackAlertOperator
from airflow_mlops.operators.rollout import RollbackOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.by_hand import started_by_hand
from airflow_mlops.templates.ownership import page_of_model
from airflow_mlops.templates.params import reason_param, version_param

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier


def rollback(
    spec: ModelSpec,
    *,
    mlops_conn_id: str | None = None,
    notifiers: Sequence[BaseNotifier] = (),
    **dag_args: Any,
) -> DAG:
    """Make the DAG ``<model>.rollback``: to the champion before, to a named version, or to the fallback rule.

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param notifiers: of any provider, told what people should know; templates find it as ``mlops_alert``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings: dict[str, Any] = {
        "description": f"Roll {spec.name} back",
        "doc_md": _doc(spec),
        "default_args": {"retries": 3},
    }
    common: dict[str, Any] = {"spec": spec, "mlops_conn_id": mlops_conn_id}
    with started_by_hand(spec, "rollback", settings, _params(spec), dag_args) as dag:
        task = RollbackOperator(
            task_id="rollback",
            to=dag.param("to"),
            fallback=dag.param("fallback"),
            reason=dag.param("reason"),
            outlets=[create_model_asset(model=spec.name), create_model_asset(model=spec.name, part=ENDPOINT)],
            **common,
        )
        alert = RollbackAlertOperator(
            task_id="alert",
            rollback=task.output,
            reason=dag.param("reason"),
            notifiers=notifiers,
            **common,
        )
        chain(task, alert.as_teardown())
        dag.add_result(task.output)
    return dag


def _params(spec: ModelSpec) -> dict[str, Param]:
    return {
        "to": version_param(
            spec, "To version", "Version to go back to; empty for the champion before the present one."
        ),
        "fallback": Param(
            False,
            type="boolean",
            title="Fallback rule",
            description="Let the spec's fallback rule answer instead of a model. Example: false",
        ),
        "reason": reason_param("Why, for the deployment log", "complaints about delays at EWR"),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Rollback of `{spec.name}`

Takes seconds: one entry in the deployment log and one reconcile of the endpoint. Any release in progress ends, too.
See {page_of_model(spec, "versions")} for the versions that there are.

**Returns** what serves then: `champion`, `mode` and the `entry` of the deployment log.

**When it fails** there is no such version, or the endpoint did not follow; the last line of the log says which. In the
second case run it again once the endpoint is up.
"""
