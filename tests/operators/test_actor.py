"""The audit log names the task that wrote a record, and the person who asked for it."""

from __future__ import annotations

from typing import Any

from airflow_mlops.core.store import Store
from airflow_mlops.core.store.actor import Actor, actor
from airflow_mlops.operators.base import MlopsOperator, Work
from tests.core.registry import world
from tests.operators.world import Run


class _Asks(MlopsOperator):
    """Says who is at work."""

    def work(self, work: Work, context: Any) -> str:
        return f"{actor().who}: {actor().run}"


def test_each_task_works_in_the_name_of_who_asked(store: Store) -> None:
    first, second = (_Asks(task_id=name, spec=world.spec()) for name in ("train", "evaluate"))
    assert Run().execute(first) == "ann: orders.release/r1/train"
    assert (
        Run(user=None, run_type="scheduled").execute(second)
        == "airflow (scheduled): orders.release/r1/evaluate"
    )
    assert actor() == Actor("airflow (scheduled)", "orders.release/r1/evaluate")
