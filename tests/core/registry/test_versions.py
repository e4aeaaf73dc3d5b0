from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_mlops.core.data.version import DatasetRef
from airflow_mlops.core.errors import KeyExists, RegistryError
from airflow_mlops.core.evaluation.report import Evaluation
from airflow_mlops.core.registry.versions import Registry
from airflow_mlops.core.store import Store
from tests.core.registry.world import MODEL, evaluation, register, spec, trained


def test_versions_are_numbered_and_complete(store: Store) -> None:
    registry = Registry(store, MODEL)
    assert (registry.newest(), registry.numbers()) == (None, ())
    number, version = register(store, "one", "r1", validation="v" * 64)
    assert number == 1
    assert registry.get(1) == version
    assert (version.created_by, version.validation, version.run.key) == ("ann", "v" * 64, "release/r1")
    assert version.spec == spec().to_dict()
    assert register(store, "two", "r2")[0] == 2
    assert registry.numbers() == (1, 2)
    newest = registry.newest()
    assert newest is not None
    assert newest[0] == 2
    assert registry.cite(2) == "orders:2"


def test_a_retry_finds_its_own_version(store: Store) -> None:
    first = register(store, "one", "r1")
    register(store, "two", "r2")
    assert register(store, "one", "r1") == first
    assert Registry(store, MODEL).numbers() == (1, 2)


def test_another_run_or_another_model_is_another_version(store: Store) -> None:
    numbers = [
        register(store, content, run)[0]
        for content, run in [("a", "r1"), ("a", "r2"), ("b", "r1"), ("a", "r1")]
    ]
    assert numbers == [1, 2, 3, 1]


def test_outside_of_airflow_the_same_model_of_the_same_spec_is_one_version(store: Store) -> None:
    numbers = [
        register(store, "a", None)[0],
        register(store, "a", None)[0],
        register(store, "a", "r1")[0],
        register(store, "a", None, spec=spec(description="other"))[0],
    ]
    assert numbers == [1, 1, 2, 3]


def test_sixteen_retries_at_once_are_one_version(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: register(store, "one", "r1"), range(16)))
    assert {number for number, _ in found} == {1}
    assert len({version.to_bytes() for _, version in found}) == 1


def test_sixteen_runs_at_once_are_sixteen_versions(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda run: register(store, "one", f"r{run}"), range(16)))
    assert sorted(number for number, _ in found) == list(range(1, 17))
    for number, version in found:
        assert Registry(store, MODEL).get(number) == version


@pytest.mark.parametrize(
    "given,message",
    [
        (
            evaluation("fail"),
            "did not pass its evaluation; given auc: 0.5 is not at least 0.6; expected every gate",
        ),
        (evaluation("inconclusive"), "did not pass its evaluation; given auc"),
        (Evaluation(rows=10, metrics={"auc": 1.0}), "did not pass its evaluation; given no gates"),
        (evaluation(artifact="f" * 64), "evaluation belongs to another model version"),
    ],
)
def test_no_version_without_a_passed_evaluation_of_this_model(
    store: Store, given: Evaluation, message: str
) -> None:
    with pytest.raises(RegistryError, match=message):
        register(store, evaluation=given)
    assert Registry(store, MODEL).numbers() == ()


def test_parts_of_different_models(store: Store) -> None:
    for parts, message in [
        ({"trained": trained(store, model="other")}, "trained model belongs to another"),
        (
            {"dataset": DatasetRef(name=MODEL, id="d2")},
            "dataset belongs to another model version; given d2; expected d1",
        ),
        ({"spec": spec(name="other")}, "spec belongs to another"),
    ]:
        with pytest.raises(RegistryError, match=message):
            register(store, **parts)
    assert Registry(store, MODEL).numbers() == ()


@pytest.mark.parametrize("field", ["artifact", "environment"])
def test_a_model_that_is_not_in_the_store(store: Store, field: str) -> None:
    with pytest.raises(RegistryError, match=f"{field} of orders is not in file://.*; given 000000000000"):
        register(store, trained=trained(store, **{field: "0" * 64}))


def test_a_version_that_is_not_there(store: Store) -> None:
    with pytest.raises(RegistryError, match="orders has no version 1; expected a release first"):
        Registry(store, MODEL).get(1)
    register(store, "a", "r1")
    register(store, "b", "r2")
    for number in (0, -1, 3):
        with pytest.raises(RegistryError, match=f"orders has no version {number}; expected 1 to 2"):
            Registry(store, MODEL).get(number)


def test_a_version_is_never_overwritten(store: Store) -> None:
    register(store)
    with pytest.raises(KeyExists):
        store.create("models/orders/versions/0000000001.json", b"{}")
