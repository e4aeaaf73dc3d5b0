"""Every operator says what it reads and writes: on success, on failure, and after a deferral.

Successes and failures of real work are checked wherever a test runs an operator: see ``Run.execute``.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from airflow.utils.state import TaskInstanceState

from airflow_mlops import operators, sensors
from airflow_mlops.operators.base import MlopsOperator
from tests.core.training.world import spec_of
from tests.lineage_events import check_events
from tests.operators.lineage_expected import EXPECTED, event_of, names

SPEC = spec_of(
    scoring={"source": "new/*.parquet"},
    owner="ada",
    team="orders",
    contact="#orders",
    description="Late orders",
)


def classes() -> dict[str, type[MlopsOperator]]:
    """All operators and sensors that can be made."""
    found: dict[str, type[MlopsOperator]] = {}
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__):
            members = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
            found |= {
                name: one
                for name, one in members.items()
                if inspect.isclass(one) and issubclass(one, MlopsOperator) and not inspect.isabstract(one)
            }
    return found


def test_every_operator_stands_in_the_table() -> None:
    assert set(classes()) == set(EXPECTED), "say in lineage_expected.py what a new operator reads and writes"


def made(name: str) -> Any:
    return classes()[name](task_id="t", spec=SPEC, **EXPECTED[name].arguments)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_task_that_never_began_names_what_it_was_to_read(name: str) -> None:
    """No connection, a deferral that took too long, a killed worker: Airflow asks a new instance that ran nothing."""
    operator = made(name)
    operator._data_uri = "/data"
    event = event_of(operator, TaskInstanceState.FAILED)
    check_events([event])
    assert set(names(event["inputs"])) == set(EXPECTED[name].fails)
    assert EXPECTED[name].fails, "a failure that names nothing leads nowhere"
    assert event["outputs"] == []
    owner = event["job"]["facets"]["mlops_owner"]
    assert (owner["model"], owner["owner"], owner["team"], owner["contact"]) == (
        "orders",
        "ada",
        "orders",
        "#orders",
    )
    assert event["job"]["facets"]["documentation"]["description"] == "Late orders"


@pytest.mark.parametrize("name", ["SnapshotOperator", "EvaluateOperator", "RollbackOperator"])
def test_arguments_that_are_no_results_yet_break_nothing(name: str) -> None:
    operator = made(name)
    operator.spec = "{{ ti.xcom_pull('begin') }}"
    operator.dataset, operator.trained, operator.to = "{{ x }}", None, "two"
    event = event_of(operator, TaskInstanceState.FAILED)
    check_events([event])
    assert event["inputs"] == []


def test_a_named_version_is_what_a_snapshot_reads() -> None:
    event = event_of(
        classes()["SnapshotOperator"](task_id="t", spec=SPEC, dataset="d1"), TaskInstanceState.FAILED
    )
    assert names(event["inputs"]) == ["mldataset:orders@d1"]


class Skipping(MlopsOperator):
    reads = ("monitoring",)

    def prepare(self, context: Any) -> Any:
        raise AirflowSkipException("nothing to do")

    def work(self, work: Any, context: Any) -> None: ...


def test_a_skipped_task_has_changed_no_asset() -> None:
    """Airflow asks it as one that has succeeded."""
    from openlineage.client.event_v2 import Dataset

    task = Skipping(task_id="t", spec=SPEC)
    task.outlets = [Dataset("mlmodel", "orders/retrain")]
    with pytest.raises(AirflowSkipException):
        task.guarded(lambda: task.prepare({}), {})
    assert event_of(task, TaskInstanceState.SKIPPED)["outputs"] == []
