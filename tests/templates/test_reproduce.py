from __future__ import annotations

import pytest
from airflow.sdk.exceptions import ParamValidationError

from airflow_mlops.templates import reproduce
from tests.templates.conftest import small_spec


def test_one_task_and_typed_params() -> None:
    dag = reproduce(small_spec())
    assert dag.dag_id == "flight_delay.reproduce"
    assert [task.task_id for task in dag.tasks] == ["reproduce"]
    assert dag.schedule is None
    assert dag.params.validate() == {"version": None, "place": "auto", "tolerance": 1e-6}
    assert "Reproduce a version of `flight_delay`" in (dag.doc_md or "")


@pytest.mark.parametrize(
    "name,value", [("version", 0), ("version", "3"), ("place", "there"), ("tolerance", -1)]
)
def test_a_wrong_param_is_refused(name: str, value: object) -> None:
    with pytest.raises(ParamValidationError):
        reproduce(small_spec()).params.update({name: value})


def test_arguments_of_the_dag_win() -> None:
    dag = reproduce(small_spec(), schedule="@weekly", tags=["audit"])
    assert dag.schedule == "@weekly"
    assert dag.tags == {"audit"}
