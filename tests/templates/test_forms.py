"""The trigger forms of all templates: every field explains itself, and a mistake is refused with the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.exceptions import ParamValidationError
from airflow.sdk import DAG, Param
from airflow.serialization.serialized_objects import DagSerialization

from airflow_mlops.operators.base import MlopsOperator
from airflow_mlops.templates import lifecycle
from tests.templates.conftest import small_spec

ALL = {
    dag.dag_id: dag
    for dag in lifecycle(
        small_spec(scoring={"source": "ahead/*.parquet"}).with_overrides({"data": {"subject": "flight_id"}})
    )
}
FIELDS = [(dag_id, name) for dag_id, dag in ALL.items() for name in dag.params]
#: A value of each field that is none.
WRONG: dict[str, Any] = {
    "since": "yesterday",
    "until": 7,
    "window": "6 hours",
    "dataset": "flights of June",
    "overrides": {"trainings": {}},
    "action": "stop",
    "reason": "x" * 501,
    "to": 0,
    "version": "three",
    "fallback": "maybe",
    "place": "elsewhere",
    "tolerance": -1,
    "subject": "ann@example.com",
    "only_look": "perhaps",
}


def field(dag_id: str, name: str) -> Param:
    return ALL[dag_id].params.get_param(name)


def told(param: Param) -> str:
    return str(param.description or param.schema["description_md"])


def example(param: Param) -> Any:
    """What the text of a field gives as its example."""
    text = told(param).rpartition("Example: ")[2]
    if "string" in param.schema["type"]:
        return text
    return json.loads(text)


def test_all_seven_dags_have_a_form() -> None:
    purposes = ("release", "monitor", "rollout", "rollback", "reproduce", "score", "erase")
    assert set(ALL) == {f"flight_delay.{purpose}" for purpose in purposes}
    assert {dag_id for dag_id, _ in FIELDS} == set(ALL)


@pytest.mark.parametrize("dag_id, name", FIELDS)
def test_a_field_has_a_title_a_text_allowed_values_and_an_example_that_is_one(dag_id: str, name: str) -> None:
    param = field(dag_id, name)
    assert param.schema["title"][0].isupper()
    assert "Example: " in told(param)
    limits = {"enum", "pattern", "format", "minimum", "maxLength", "additionalProperties"}
    assert limits & set(param.schema) or param.schema["type"] == "boolean", "allowed values"
    assert Param(**{**param.schema, "default": example(param)}).resolve() == example(param)


@pytest.mark.parametrize("dag_id, name", FIELDS)
def test_the_server_refuses_a_mistake_with_the_name_of_the_field(dag_id: str, name: str) -> None:
    """As the REST API does, which makes a 400 of it; also of ``dag.test`` and the form."""
    served = DagSerialization.from_dict(DagSerialization.to_dict(ALL[dag_id]))
    needed = {"action": "hold"} if dag_id.endswith(".rollout") else {}
    served.params.deep_merge(needed).validate()
    with pytest.raises(ParamValidationError, match=rf"Invalid input for param {name}\b"):
        served.params.deep_merge({**needed, name: WRONG[name]}).validate()


@pytest.mark.parametrize("dag_id, name", FIELDS)
def test_a_form_can_be_sent_as_it_opens_unless_it_asks_for_something(dag_id: str, name: str) -> None:
    """Airflow's form asks for every text that is empty and may not be null."""
    param = field(dag_id, name)
    assert name == "action" or (
        param.value != "" and (param.value is not None or "null" in param.schema["type"])
    )


def test_a_form_links_to_the_versions_that_there_are() -> None:
    for dag_id, name in (("flight_delay.rollback", "to"), ("flight_delay.score", "version")):
        assert "(mlops/open/models/flight_delay#versions)" in told(field(dag_id, name))


def roots(dag: DAG) -> list[MlopsOperator]:
    return [task for task in dag.roots if isinstance(task, MlopsOperator)]


@pytest.mark.parametrize("dag_id", ALL)
def test_the_first_tasks_know_the_fields_of_the_form(dag_id: str) -> None:
    assert roots(ALL[dag_id])
    for task in roots(ALL[dag_id]):
        assert set(task.known_conf or ()) == set(ALL[dag_id].params)


def test_what_the_author_of_a_dag_adds_to_the_form_is_known() -> None:
    from airflow_mlops.templates import rollback

    dag = rollback(small_spec(), params={"ticket": Param("", type="string")})
    assert set(roots(dag)[0].known_conf or ()) == {"ticket", "to", "fallback", "reason"}


def test_wrong_values_are_of_fields_that_there_are() -> None:
    assert {name for _, name in FIELDS} == set(WRONG)
