"""The monitor DAG: heal the endpoint, look for drift, ask for retraining."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, chain

from airflow_mlops.assets import create_model_asset
from airflow_mlops.operators.features import SkewOperator
from airflow_mlops.operators.monitoring import DriftOperator, RequestRetrainingOperator
from airflow_mlops.operators.retention import PruneOperator
from airflow_mlops.operators.rollout import ReconcileOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.params import add_params


def monitor(spec: ModelSpec, *, mlops_conn_id: str | None = None, **dag_args: Any) -> DAG:
    """Make the DAG ``<model>.monitor``, on the cron schedule of the spec.

    It brings the endpoint back to the deployment log, compares the captured traffic with the champion's training data,
    and asks for retraining by an event of the retrain asset, which starts ``<model>.release``. Where the spec asks for
    it, it computes the features of captured requests again (``skew``), and lets go of old data (``prune``).

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings = {
        "schedule": spec.monitoring.schedule,
        "catchup": False,
        "max_active_runs": 1,
        "tags": ["mlops", spec.name],
        "description": f"Watch {spec.name}",
        "doc_md": _doc(spec),
        "default_args": {"owner": spec.owner, "retries": 2},
        **dag_args,
    }
    common: dict[str, Any] = {"spec": spec, "mlops_conn_id": mlops_conn_id}
    with DAG(f"{spec.name}.monitor", **settings) as dag:
        reconcile = ReconcileOperator(task_id="reconcile", **common)
        drift = DriftOperator(task_id="drift", window=dag.param("window"), **common)
        retrain = RequestRetrainingOperator(
            task_id="request_retraining",
            drift=drift.output,
            outlets=[create_model_asset(model=spec.name, part="retrain")],
            **common,
        )
        chain(reconcile, drift, retrain)
        if spec.monitoring.skew_requests:
            chain(reconcile, SkewOperator(task_id="skew", **common))
        if spec.retention is not None:
            chain(reconcile, PruneOperator(task_id="prune", **common))
        dag.add_result(drift.output)
    add_params(dag, _params())
    return dag


def _params() -> dict[str, Param]:
    return {
        "window": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d+(\.\d+)?[smhdw]$",
            title="Window",
            description="How much of the newest traffic to look at; empty for the spec's. Example: 6h",
        ),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Monitor of `{spec.name}`

Looks at the newest {spec.monitoring.window} of captured traffic. **When `request_retraining` is skipped** there was no
reason to retrain; its log says why. **When `drift` fails** the champion keeps serving: nothing here changes traffic
except that `reconcile` puts the endpoint back to what the deployment log says.
"""
