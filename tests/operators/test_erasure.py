"""A person is named by a keyed hash, and no XCom, log or record holds the id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.errors import SpecError
from airflow_mlops.hooks.mlops import MlopsHook
from airflow_mlops.operators.erasure import EraseOperator
from airflow_mlops.platform import Platform
from airflow_mlops.spec import ModelSpec
from airflow_mlops.templates import erase
from tests.core.erasure.world import PERSON, SECRET, World, copied, lived_folder, person, spec
from tests.operators.world import Run


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the store, and a connection to it."""
    folder = tmp_path / "world"
    made = copied(lived_folder(tmp_path_factory), folder, monkeypatch)
    platform = Platform(str(folder / "store"), str(folder / "data"), privacy_secret=SECRET)
    monkeypatch.setattr(MlopsHook, "get_conn", lambda self: platform)
    return made


def task(**fields: Any) -> EraseOperator:
    return EraseOperator(task_id="erase", **{"spec": spec(), "subject": person().hash, **fields})


def test_look_then_erase(world: World, caplog: pytest.LogCaptureFixture) -> None:
    run = Run(dag_id="orders.erase")
    looked = run.execute(task(only_look=True))
    assert (looked["erased"], looked["rows"], looked["retrain"], looked["champion"]) == (False, 38, [1], 1)
    assert len(world.holders(PERSON)) == 11
    done = run.execute(task(reason="request 4711"))
    assert world.holders(PERSON) == []
    assert (done["erased"], done["rows"], done["elsewhere"]) == (True, 38, looked["elsewhere"])
    assert set(done["datasets"]) == set(looked["datasets"])
    assert done["release"] in done["datasets"].values()
    assert PERSON not in json.dumps(list(run.xcoms.values())) + caplog.text
    assert run.execute(task()) == done, "a cleared task finds what was done"


def test_lineage_names_versions_and_no_person(world: World) -> None:
    run, operator = Run(dag_id="orders.erase"), task()
    run.execute(operator)
    lineage = operator.get_openlineage_facets_on_complete(run.context(operator)["ti"])
    assert len(lineage.inputs) == 5
    assert "mlops_erasure" in lineage.run_facets
    assert PERSON not in str(lineage)


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"subject": PERSON}, "not the keyed hash of a person's id"),
        ({"subject": None}, "not the keyed hash of a person's id"),
        (
            {"spec": spec(data={"source": "a/*.parquet", "event_time": "ordered", "label": "late"})},
            "set data.subject",
        ),
    ],
)
def test_mistakes_fail_at_once(world: World, fields: dict[str, Any], says: str) -> None:
    run = Run(dag_id="orders.erase")
    with pytest.raises(AirflowFailException, match=says) as told:
        run.execute(task(**fields))
    assert PERSON not in str(told.value)
    assert len(world.holders(PERSON)) == 11


def test_the_dag_takes_a_hash_and_looks_first() -> None:
    dag = erase(spec())
    assert dag.dag_id == "orders.erase"
    assert dag.schedule is None
    params = dag.params
    assert (params["only_look"], params["subject"]) == (True, None)
    with pytest.raises(Exception, match="does not match"):
        params["subject"] = PERSON
    without = ModelSpec.from_mapping(
        {**spec().to_dict(), "data": {**spec().to_dict()["data"], "subject": None}}
    )
    with pytest.raises(SpecError, match=r"set data\.subject"):
        erase(without)
