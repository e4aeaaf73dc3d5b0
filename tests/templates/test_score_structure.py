"""The score DAG as Airflow sees it: tasks, schedule, params."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from airflow_mlops.core.errors import SpecError
from airflow_mlops.templates.score import score, scoring_asset
from tests.templates.conftest import small_spec

SCORING = {"source": "ahead/*.parquet"}


def test_a_snapshot_then_the_predictions() -> None:
    dag = score(small_spec(scoring=SCORING))
    assert dag.dag_id == "flight_delay.score"
    assert {task.task_id: task.downstream_task_ids for task in dag.tasks} == {
        "snapshot": {"score"},
        "score": set(),
    }
    (outlet,) = dag.get_task("score").outlets
    assert outlet == Asset("mlmodel://flight_delay/predictions")
    assert dag.max_active_runs == 1
    assert "ahead/*.parquet" in str(dag.doc_md)
    DagSerialization.validate_schema(DagSerialization.to_dict(dag))


def test_the_schedule_is_the_specs_or_the_source() -> None:
    by_asset: Any = score(small_spec(scoring=SCORING)).timetable
    assert scoring_asset("flight_delay") == Asset("mldataset://flight_delay__scoring")
    assert list(by_asset.asset_condition.objects) == [scoring_asset("flight_delay")]
    by_cron: Any = score(small_spec(scoring={**SCORING, "schedule": "0 6 * * *"})).timetable
    assert by_cron.expression == "0 6 * * *"
    assert score(small_spec(scoring=SCORING), schedule=None, tags=["mine"]).tags == {"mine"}


def test_params_refuse_mistakes() -> None:
    dag = score(small_spec(scoring=SCORING))
    assert set(dag.params) == {"since", "until", "version"}
    for name, wrong in (("since", "yesterday"), ("version", 0), ("version", "new")):
        with pytest.raises(ParamValidationError):
            dag.params.get_param(name).resolve(wrong)


def test_a_spec_without_scoring_has_no_score_dag() -> None:
    with pytest.raises(SpecError, match="spec of flight_delay has no section scoring"):
        score(small_spec())


@pytest.mark.parametrize(
    "over, told",
    [
        ({"source": "/etc/*.parquet"}, "lies below the platform's data root"),
        ({"source": "a/*.xlsx"}, "source ends in"),
        ({"carry": ["origin", "origin"]}, "origin: columns to carry stand once"),
        ({"ahead": "1d"}, "needs scoring.schedule"),
    ],
)
def test_mistakes_in_the_section_are_named(over: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        small_spec(scoring={**SCORING, **over})
