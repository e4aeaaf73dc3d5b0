"""Releases that wait for people: a version of the store, asked about by one person or by two."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, Context, Param, get_current_context, task

from airflow_mlops.operators.approval import ApproveOperator
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates.approval import approve

SPEC = {
    "name": "orders",
    "data": {"source": "orders/*.parquet", "event_time": "ordered", "label": "late"},
    "features": {"columns": ["amount"]},
    "evaluation": {"gates": [{"metric": "auc", "min": 0.6}]},
    "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
}
PARAMS = {"spec": Param({}, type="object"), "version": Param(1, type="integer")}
#: A task whose worker was killed, or that the executor's late word has failed, is tried again.
ARGS = {"retries": 3, "retry_delay": 1}


class Dies(ApproveOperator):
    """As good as killed with -9 the first time that an answer comes, before it is written down."""

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Die, or go on."""
        mark = Path(os.environ["AIRFLOW_HOME"]) / context["run_id"]
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute_complete(context, event)


@task
def begin() -> dict[str, Any]:
    """The spec, as the first task of a release returns it."""
    return dict(get_current_context()["params"]["spec"])


@task
def register() -> dict[str, Any]:
    """The version, as the task that registers returns it."""
    return {"model": "orders", "version": get_current_context()["params"]["version"]}


@task
def roll_out() -> str:
    """What comes after a yes."""
    return "meets live requests"


for people in (1, 2):
    with DAG(f"asks_{people}", schedule=None, params=PARAMS, default_args=ARGS):
        spec = ModelSpec(**SPEC, approval={"people": people})
        version = register()
        approve(spec, version.operator, {"spec": begin()})[-1] >> roll_out()

with DAG("asks_and_dies", schedule=None, params=PARAMS, default_args=ARGS):
    Dies(task_id="approve", spec=begin(), version=register()) >> roll_out()
