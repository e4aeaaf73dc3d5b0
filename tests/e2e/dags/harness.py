"""DAGs that try what the demo needs of an Airflow: params, XComs, a deferred task, an asset, an approval."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.triggers.file import FileTrigger
from airflow.sdk import DAG, Asset, BaseOperator, Context, Param, get_current_context, task

ASSET = Asset("harness://data")


class Pause(BaseOperator):
    """Wait in the triggerer for the file ``$AIRFLOW_HOME/<run id>``."""

    def execute(self, context: Context) -> None:
        """Defer."""
        file = Path(os.environ["AIRFLOW_HOME"]) / context["run_id"]
        self.defer(trigger=FileTrigger(filepath=str(file), poke_interval=0.5), method_name="resume")

    def resume(self, context: Context, event: Any) -> str:
        """Say that it is over."""
        return "resumed"


with DAG("harness", schedule=None, params={"rate": Param(0.5, type="number", minimum=0, maximum=1)}):

    @task
    def answer() -> dict[str, object]:
        """Push what the run was triggered with."""
        return {"rate": get_current_context()["params"]["rate"], "rows": [1, 2, 3]}

    answer() >> Pause(task_id="wait")

with DAG("harness_chain", schedule=None):

    @task
    def step(number: int) -> int:
        """Do next to nothing."""
        return number + 1

    first = step.override(task_id="a")(0)
    second = step.override(task_id="b")(first)
    third = step.override(task_id="c")(second)
    step.override(task_id="d")(third)

with DAG("harness_approval", schedule=None):
    ApprovalOperator(task_id="approve", subject="Release it?")

with DAG("harness_consumer", schedule=ASSET):

    @task
    def consume() -> None:
        """Fail, with a reason that the log must show."""
        raise ValueError("the reason is in the log")

    consume()
