"""A version whose card lacks a required section is not registered, by the operator."""

from __future__ import annotations

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.errors import KeyMissing
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from airflow_mlops.core.store.results import keep
from airflow_mlops.operators import model as operators
from airflow_mlops.operators.model import RegisterOperator
from airflow_mlops.spec import ModelSpec
from tests.core.card.world import DATASET, SAID, told, validation
from tests.core.card.world import data as store_data
from tests.core.evaluation import whole
from tests.core.registry.world import MODEL, trained
from tests.operators.world import Run


@pytest.fixture
def dataset(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The dataset version of the world, which needs no data root to be named."""
    from airflow_mlops.core.data.version import DatasetVersion, dataset_key

    store_data(store)
    version = DatasetVersion.from_bytes(store.read(dataset_key(DATASET.name, DATASET.id)))
    monkeypatch.setattr(operators, "load_dataset", lambda work, given, progress: version)
    return {"dataset": DATASET.name, "id": DATASET.id}


def task(store: Store, spec: ModelSpec, dataset: dict[str, str], *, tested: bool) -> RegisterOperator:
    made = trained(store)
    evaluation = whole.evaluation().model_copy(update={"artifact": made.artifact, "fairness": ()})
    return RegisterOperator(
        task_id="register",
        spec=spec,
        dataset=dataset,
        trained={"ref": keep(store, made)},
        evaluation={"ref": keep(store, evaluation)},
        validation={"ref": keep(store, validation())} if tested else None,
    )


def test_an_empty_required_section_stops_the_release_for_good(
    store: Store, run: Run, dataset: dict[str, str]
) -> None:
    measured = {"gates": [{"metric": "auc", "min": 0.6}], "groups": ["amount"]}
    strict = told(
        card={**SAID, "required": ["data_tests", "fairness", "risks"]},
        evaluation=measured,
        validation={"unique": ["order_id"]},
    )
    with pytest.raises(AirflowFailException, match=r"lacks 2 required sections; given data_tests .*fairness"):
        run.execute(task(store, strict, dataset, tested=False))
    assert run.refusal("register")["kind"] == "RegistryError"
    assert Registry(store, MODEL).numbers() == ()
    with pytest.raises(KeyMissing):
        store.read(f"models/{MODEL}/versions/0000000001.json")
    with pytest.raises(AirflowFailException, match="lacks a required section; given fairness"):
        run.execute(task(store, strict, dataset, tested=True))


def test_a_card_that_says_what_is_required_is_registered(
    store: Store, run: Run, dataset: dict[str, str]
) -> None:
    enough = told(card={**SAID, "required": ["data_tests", "risks"]}, validation={"unique": ["order_id"]})
    assert run.execute(task(store, enough, dataset, tested=True)) == {"model": MODEL, "version": 1}
