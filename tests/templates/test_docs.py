"""What Airflow's pages say of the DAGs and tasks of a model; how they fold, and what the graph of assets shows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_mlops.templates import lifecycle, release
from tests.templates.conftest import small_spec
from tests.templates.test_structure import EVERYTHING


def dags_of(**over: Any) -> dict[str, DAG]:
    spec = small_spec(scoring={"source": "ahead/*.parquet"}, approval={"people": 2}, **over)
    spec = spec.with_overrides({**EVERYTHING, "data": {**EVERYTHING["data"], "subject": "flight_id"}})
    return {dag.dag_id.partition(".")[2]: dag for dag in lifecycle(spec)}


@pytest.fixture(scope="module")
def dags() -> dict[str, DAG]:
    return dags_of()


PURPOSES = ("release", "monitor", "rollout", "rollback", "reproduce", "score", "erase")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_dag_says_what_it_does_what_it_returns_and_what_to_do_when_it_fails(
    dags: dict[str, DAG], purpose: str
) -> None:
    told = str(dags[purpose].doc_md)
    assert told.startswith("### ")
    assert "**Returns**" in told
    assert re.search(r"\*\*When [^*]*fails\*\*", told)


def test_every_task_has_a_page_of_its_own(dags: dict[str, DAG]) -> None:
    for dag in dags.values():
        for task in dag.tasks:
            assert "**When it fails**" in str(task.doc_md), task.task_id


HOSTILE = (
    "<script>alert(1)</script> [click](javascript:alert(1)) ![x](https://evil.example/x.png)\n\n# Big `x`"
)


def test_what_a_spec_says_is_text_in_the_docs() -> None:
    dags = dags_of(description=HOSTILE, owner="[eve](https://evil.example)", team="**ops**")
    for dag in dags.values():
        told = str(dag.doc_md)
        assert "https://evil.example" not in told, "a link that nobody asked for"
        for markdown in ("<script", "[click", "[x]", "[eve]", "**ops", "# Big"):
            assert not re.search(rf"(?<!\\){re.escape(markdown)}", told), (
                "a sign without a backslash means something"
            )
    assert "alert" in str(dags["release"].doc_md), "it is shown"


def test_a_release_folds_into_its_data_its_model_and_its_rollout(dags: dict[str, DAG]) -> None:
    dag = dags["release"]
    groups = {
        name: set(group.children) for name, group in dag.task_group.get_task_group_dict().items() if name
    }
    assert groups["data"] == {
        *("snapshot", "join", "apply_review", "protect", "validate", "check_features", "audit_labels")
    }
    assert groups["model"] == {"train", "evaluate", "register"}
    assert groups["rollout"] == {name for name in dag.task_ids if name.startswith("rollout.")}
    assert all(
        group.tooltip for name, group in dag.task_group.get_task_group_dict().items() if name in groups
    )


def test_the_graph_of_assets_goes_from_the_data_to_the_model_to_the_endpoint_and_back(
    dags: dict[str, DAG],
) -> None:
    lines = {
        (read.uri.rstrip("/"), written.uri.rstrip("/"))
        for dag in dags.values()
        for task in dag.tasks
        for read in task.inlets
        for written in task.outlets
    }
    assert lines == {
        ("mldataset://flight_delay", "mlmodel://flight_delay"),
        ("mldataset://flight_delay", "mlmodel://flight_delay/endpoint"),
        ("mlmodel://flight_delay/endpoint", "mlmodel://flight_delay/retrain"),
        ("mldataset://flight_delay__scoring", "mlmodel://flight_delay/predictions"),
        ("mlmodel://flight_delay", "mlmodel://flight_delay/predictions"),
    }


def test_no_asset_that_a_release_writes_starts_a_release() -> None:
    dag = release(small_spec())
    starts: Any = dag.timetable
    written = {asset.uri for task in dag.tasks for asset in task.outlets}
    assert written.isdisjoint({asset.uri for asset in starts.asset_condition.objects})
