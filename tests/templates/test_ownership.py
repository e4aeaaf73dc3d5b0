"""Whose a DAG is and who may use it: what a template tells Airflow of the spec's owner, contact and roles."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_mlops.core.errors import SpecError
from airflow_mlops.spec import Access, ModelSpec
from airflow_mlops.spec.contact import contact_link
from airflow_mlops.templates import lifecycle, monitor, release, rollback, rollout, score
from airflow_mlops.templates.ownership import access_control, owned_settings

OWNED: dict[str, Any] = {
    "owner": "ann",
    "team": "pricing",
    "contact": "pricing@example.com",
    "access": {"view": ["analysts"], "run": ["pricing"]},
    "scoring": {"source": "ahead/*.parquet"},
}
NAMES = ("release", "monitor", "rollout", "rollback", "score")
#: What FAB's auth manager (provider 3.10) knows of single DAGs: ``RESOURCE_DETAILS_MAP`` in its
#: ``www/security/permissions.py``. Another resource or action is an import error there.
FAB = {
    "DAGs": {"can_read", "can_edit", "can_delete"},
    "DAG Runs": {"can_read", "can_create", "can_delete", "menu_access"},
}


def spec_of(**fields: Any) -> ModelSpec:
    """A model; without fields it says nothing of owner and access."""
    needed: dict[str, Any] = {
        "name": "churn",
        "data": {"source": "churn/*.parquet", "event_time": "at", "label": "churned"},
        "features": {"columns": ["calls"]},
        "evaluation": {"gates": [{"metric": "auc", "min": 0.7}]},
        "rollout": {"shadow": {"gates": [{"metric": "error_rate", "margin": 0.01}]}},
    }
    return ModelSpec(**needed, **fields)


@pytest.fixture(scope="module")
def dags() -> tuple[DAG, ...]:
    return lifecycle(spec_of(**OWNED))


def test_every_dag_of_a_model_is_its_owners(dags: tuple[DAG, ...]) -> None:
    assert {f"churn.{name}" for name in NAMES} <= {dag.dag_id for dag in dags}
    for dag in dags:
        assert {task.owner for task in dag.tasks} == {"ann"}, dag.dag_id
        assert dag.owner_links == {"ann": "mailto:pricing@example.com"}
        assert dag.tags == {"mlops", "churn", "team:pricing"}
        told = "Owner: ann, team: pricing, contact: [pricing@\N{WORD JOINER}example.com](mailto:pricing@example.com)"
        assert (dag.doc_md or "").rstrip().endswith(told)
        assert (dag.doc_md or "").startswith("### ")


def test_who_views_can_not_run_and_nobody_deletes(dags: tuple[DAG, ...]) -> None:
    for dag in dags:
        assert dag.access_control == {
            "analysts": {"DAGs": {"can_read"}, "DAG Runs": {"can_read"}},
            "pricing": {"DAGs": {"can_read", "can_edit"}, "DAG Runs": {"can_read", "can_create"}},
        }, dag.dag_id


def test_fab_knows_all_that_is_given() -> None:
    for may in access_control(Access(view=("a",), run=("b",))).values():
        for resource, actions in may.items():
            assert actions <= FAB[resource]


@pytest.mark.parametrize("access", [None, {}, {"view": ["v"]}])
def test_airflow_keeps_what_was_said_when_it_serializes(access: Any) -> None:
    """FAB's is given the serialized DAG: nothing said leaves the roles as they are, an empty mapping clears them."""
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG

    dag = rollout(spec_of(access=access))
    DagSerialization.validate_schema(DagSerialization.to_dict(dag))
    assert LazyDeserializedDAG.from_dag(dag).access_control == dag.access_control
    assert (dag.access_control is None) == (access is None)


def test_a_spec_that_says_nothing_changes_nothing_in_airflow() -> None:
    dag = rollback(spec_of())
    assert dag.access_control is None
    assert not dag.owner_links
    assert dag.tags == {"mlops", "churn"}


def test_two_owners_have_the_same_link() -> None:
    dag = rollback(spec_of(owner="ann, bob", contact="https://example.com/on-call"))
    assert dag.owner_links == dict.fromkeys(("ann", "bob"), "https://example.com/on-call")


def test_a_channel_is_told_and_is_no_link() -> None:
    dag = rollback(spec_of(contact="#ml-on-call"))
    assert not dag.owner_links
    assert r"contact: \#ml-on-call" in str(dag.doc_md)


@pytest.mark.parametrize("make", [release, monitor, rollout, rollback, score])
def test_arguments_of_the_caller_win(make: Any) -> None:
    given = {
        "access_control": {"ops": {"DAGs": {"can_read"}}},
        "owner_links": {"eve": "https://example.com"},
        "tags": ["mine"],
        "doc_md": "mine",
        "default_args": {"owner": "eve"},
    }
    dag = make(spec_of(**OWNED), **given)
    assert {name: getattr(dag, name) for name in ("access_control", "owner_links", "doc_md")} == {
        name: given[name] for name in ("access_control", "owner_links", "doc_md")
    }
    assert dag.tags == {"mine"}
    assert {task.owner for task in dag.tasks} == {"eve"}


def test_a_template_of_ones_own_adds_to_it() -> None:
    own = {"tags": ["erasure"], "default_args": {"retries": 1}, "doc_md": "### Mine", "catchup": False}
    settings = owned_settings(spec_of(**OWNED), own)
    assert settings["tags"] == ["mlops", "churn", "team:pricing", "erasure"]
    assert settings["default_args"] == {"owner": "ann", "retries": 1}
    assert settings["doc_md"].startswith("### Mine\n\nOwner: ann")
    assert settings["catchup"] is False
    assert own == {
        "tags": ["erasure"],
        "default_args": {"retries": 1},
        "doc_md": "### Mine",
        "catchup": False,
    }


@pytest.mark.parametrize(
    "contact, link",
    [
        ("", None),
        ("#ml-on-call", None),
        ("@pricing", None),
        ("ml+on-call@example.com", "mailto:ml+on-call@example.com"),
        ("https://example.com/on-call?team=ml", "https://example.com/on-call?team=ml"),
        ("http://wiki/ml", "http://wiki/ml"),
    ],
)
def test_addresses_and_urls_become_links(contact: str, link: str | None) -> None:
    assert contact_link(contact) == link
    assert spec_of(contact=contact).contact == contact


@pytest.mark.parametrize(
    "contact",
    [
        "example.com/on-call",
        "https:/example.com",
        "https://",
        "https://ann:s3cret@example.com",
        "javascript:alert(1)",
        "https://example.com/a b",
        "https://example.com/)[x](y",
        "ann@",
        "ann@example.com, bob@example.com",
        "#ml\non-call",
        "ask Ann",
        "http://[x",
    ],
)
def test_a_contact_that_leads_nowhere_is_refused(contact: str) -> None:
    with pytest.raises(SpecError, match=r"contact: given .*expected an address \(ml@example.com\), a URL"):
        spec_of(contact=contact)


@pytest.mark.parametrize(
    "fields, says",
    [
        (
            {"access": {"view": ["ops"], "run": ["ops"]}},
            "access: roles named twice: ops; who runs also views",
        ),
        ({"access": {"view": ["ops", "ops"]}}, "roles named twice: ops"),
        ({"access": {"view": [""]}}, "access.view.0: given ''"),
        ({"access": {"run": [" ops"]}}, "access.run.0: given ' ops'"),
        ({"access": {"edit": ["ops"]}}, "access.edit: unknown field; allowed: run, view"),
        ({"team": "t" * 91}, "team: given"),
        ({"team": "two\nlines"}, "team: given"),
    ],
)
def test_mistakes_are_named(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_of(**fields)
    assert says in str(caught.value)
