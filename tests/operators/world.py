"""What an operator needs of Airflow: a task instance that keeps XComs, and a context."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.utils.state import TaskInstanceState

from airflow_mlops.core.record import utc_now
from airflow_mlops.operators.base import REFUSAL
from tests.lineage_events import check_events
from tests.operators.lineage_expected import EXPECTED, event_of, missing, names


@dataclass
class Run:
    """One run of a DAG: the XComs of its tasks, as plain JSON.

    :ivar user: who triggered it, None for a schedule.
    :ivar max_tries: of its tasks, as Airflow raises it when a person clears one.
    :ivar logical_date: of a schedule; ``run_after``: when it was triggered.
    """

    run_id: str = "r1"
    dag_id: str = "orders.release"
    user: str | None = "ann"
    max_tries: int = 0
    run_type: str = "manual"
    logical_date: datetime | None = None
    run_after: datetime = field(default_factory=utc_now)
    xcoms: dict[tuple[str, str], Any] = field(default_factory=dict)
    events: dict[Any, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.dag_id}/{self.run_id}"

    def context(self, operator: BaseOperator) -> Any:
        """A context with what our operators use, and nothing else."""
        return {
            "ti": TaskInstance(self, operator.task_id),
            "dag_run": SimpleNamespace(
                dag_id=self.dag_id,
                run_id=self.run_id,
                run_type=SimpleNamespace(value=self.run_type),
                logical_date=self.logical_date,
                run_after=self.run_after,
                triggering_user_name=self.user,
            ),
            "outlet_events": self.events,
        }

    def execute(self, operator: BaseOperator) -> Any:
        """Run a task as Airflow does: XComs of an earlier try are gone, the result is pushed."""
        self.xcoms = {at: value for at, value in self.xcoms.items() if at[0] != operator.task_id}
        context = self.context(operator)
        with lineage_of(operator):
            result = operator.execute(context)
        if result is not None:
            context["ti"].xcom_push("return_value", result)
        return result

    def resume(self, operator: Any, event: Mapping[str, Any]) -> Any:
        """Go on with a deferred task."""
        context = self.context(operator)
        with lineage_of(operator):
            result = operator.resume(context, json.loads(json.dumps(event)))
        context["ti"].xcom_push("return_value", result)
        return result

    def refusal(self, task_id: str) -> Any:
        """Why the task refused."""
        return self.xcoms[task_id, REFUSAL]


@contextmanager
def lineage_of(operator: BaseOperator) -> Iterator[None]:
    """Hold what an operator says of its lineage against the table, however its work ends."""
    if type(operator).__name__ not in EXPECTED:
        yield
        return
    try:
        yield
    except (AirflowException, AirflowFailException):
        event = event_of(operator, TaskInstanceState.FAILED)
        check_events([event])
        given = {f"{one.namespace}:{one.name}" for one in operator.given().inputs}
        lost = {one for one in given if one.startswith("mldataset:")} - set(names(event["inputs"], False))
        assert not lost, f"the failure of {operator.task_id} does not name {lost}"
        assert event["inputs"] or not given, f"the failure of {operator.task_id} names nothing"
        raise
    event = event_of(operator, TaskInstanceState.SUCCESS)
    check_events([event])
    assert not missing(operator, event), (
        f"the success of {type(operator).__name__} {missing(operator, event)}"
    )


@dataclass
class TaskInstance:
    """Keeps XComs as JSON, as Airflow does."""

    run: Run
    task_id: str
    map_index: int = -1

    @property
    def max_tries(self) -> int:
        return self.run.max_tries

    def xcom_push(self, key: str, value: Any) -> None:
        self.run.xcoms[self.task_id, key] = json.loads(json.dumps(value, allow_nan=False))

    def xcom_pull(self, task_ids: list[str], key: str) -> list[Any]:
        return [self.run.xcoms.get((task_id, key)) for task_id in task_ids]
