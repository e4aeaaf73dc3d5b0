"""The monitor DAG: heal the endpoint, take in what was captured, compare, measure, decide, ask for retraining."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Param, chain

from airflow_mlops.assets import ENDPOINT, create_model_asset
from airflow_mlops.operators.alerting import LookAlertOperator
from airflow_mlops.operators.base import connection_named
from airflow_mlops.operators.features import SkewOperator
from airflow_mlops.operators.healing import HealOperator
from airflow_mlops.operators.monitoring import DriftOperator, PerformanceOperator, TakeInOperator
from airflow_mlops.operators.retention import PruneOperator
from airflow_mlops.operators.retraining import DecideOperator, RequestRetrainingOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.ownership import owned_settings, page_of_model
from airflow_mlops.templates.params import add_params, time_param

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier


def monitor(
    spec: ModelSpec,
    *,
    mlops_conn_id: str | None = None,
    notifiers: Sequence[BaseNotifier] = (),
    **dag_args: Any,
) -> DAG:
    """Make the DAG ``<model>.monitor``, on the cron schedule of the spec.

    It brings the endpoint back to the deployment log, or to something healthy; joins captured requests and their
    labels; compares a period's traffic with the champion's training data; measures and estimates how well the champion
    does; and asks for retraining by an event of the retrain asset, which starts ``<model>.release``. Where the spec
    asks for it, it computes the features of captured requests again (``skew``), and lets go of old data (``prune``).

    :param spec: the model.
    :param mlops_conn_id: connection that says where everything runs; without one, ``[mlops] conn_id``.
    :param notifiers: of any provider, told what people should know; templates find it as ``mlops_alert``.
    :param dag_args: any argument of :class:`airflow.sdk.DAG`, over the template's own.
    """
    settings: dict[str, Any] = {
        "schedule": spec.monitoring.schedule,
        "catchup": False,
        "max_active_runs": 1,
        "description": f"Watch {spec.name}",
        "doc_md": _doc(spec),
        "default_args": {"retries": 2},
    }
    common: dict[str, Any] = {"spec": spec, "mlops_conn_id": connection_named(mlops_conn_id)}
    with DAG(f"{spec.name}.monitor", **{**owned_settings(spec, settings), **dag_args}) as dag:
        heal = HealOperator(task_id="heal", **common)
        take_in = TakeInOperator(
            task_id="take_in", until=dag.param("until"), window=dag.param("window"), **common
        )
        drift = DriftOperator(task_id="drift", period=take_in.output, **common)
        performance = PerformanceOperator(task_id="performance", period=take_in.output, **common)
        decide = DecideOperator(
            task_id="decide", drift=drift.output, performance=performance.output, **common
        )
        retrain = RequestRetrainingOperator(
            task_id="request_retraining",
            # What is watched is the model as it serves; an inlet starts nothing.
            inlets=[create_model_asset(model=spec.name, part=ENDPOINT)],
            outlets=[create_model_asset(model=spec.name, part="retrain")],
            **common,
        )
        alert = LookAlertOperator(task_id="alert", health=heal.output, notifiers=notifiers, **common)
        # An endpoint that can't be healed fails the run, and is no reason not to look at what it did.
        chain(heal, alert)
        chain(take_in, [drift, performance], decide, retrain, alert.as_teardown())
        if spec.monitoring.skew_requests:
            chain(heal, SkewOperator(task_id="skew", **common))
        if spec.retention is not None:
            chain(heal, PruneOperator(task_id="prune", **common))
        dag.add_result(decide.output)
    add_params(dag, _params())
    return dag


def _params() -> dict[str, Param]:
    return {
        "until": time_param(
            "Until", "End of the period; empty for the run's own time.", "2013-12-01T00:00:00Z"
        ),
        "window": Param(
            None,
            type=["null", "string"],
            pattern=r"^\d+(\.\d+)?[smhdw]$",
            title="Window",
            description="Length of the period, a number and s, m, h, d or w; empty for the spec's. Example: 6h",
        ),
    }


def _doc(spec: ModelSpec) -> str:
    return f"""### Monitor of `{spec.name}`

Looks at {spec.monitoring.window} of captured traffic; {page_of_model(spec)} shows what was found over time.

**Returns** the result of `decide`: whether to `retrain`, the `reasons`, and all numbers.

**When `request_retraining` is skipped** there was no reason to
retrain, or something held it back; the log of `decide` says which, with all numbers. **When `heal` fails** the endpoint
does not follow the deployment log; its log says why. **When another task fails** the champion keeps serving: nothing
else here changes traffic. `airflow-mlops monitoring looks {spec.name}` lists what was found.
"""
