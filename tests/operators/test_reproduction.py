from __future__ import annotations

from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.reproduction import run as running
from airflow_mlops.core.reproduction.bench import Bench
from airflow_mlops.core.reproduction.record import reproduction_log
from airflow_mlops.core.store import Store
from airflow_mlops.core.training.rebuild import Rebuilt
from airflow_mlops.operators.reproduction import ReproduceOperator
from tests.core.reproduction.world import Registered, make
from tests.operators.world import Run


@pytest.fixture
def registered(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    """A version, and a training that gives its very model."""
    monkeypatch.setenv("AIRFLOW_MLOPS_CACHE", str(tmp_path / "cache"))

    def again(python: Path, record: ModelVersion, bench: Bench, progress: object) -> Rebuilt:
        return Rebuilt(trained=record.trained)

    monkeypatch.setattr(running, "train_again", again)
    return make(tmp_path)


def operator(registered: Registered, **arguments: object) -> ReproduceOperator:
    return ReproduceOperator(task_id="reproduce", spec=registered.spec, **arguments)


def test_the_outcome_is_a_small_result_and_a_record_of_the_run(registered: Registered, run: Run) -> None:
    found = run.execute(operator(registered, version="1", tolerance="0.001"))
    assert {name: found[name] for name in ("model", "version", "outcome", "place", "environment")} == {
        "model": "orders",
        "version": 1,
        "outcome": "identical",
        "place": "here",
        "environment": [],
    }
    assert found["artifact"] == found["rebuilt"] == registered.record.trained.artifact
    assert run.xcoms["reproduce", "reproduction"] == found
    newest = reproduction_log(registered.store, "orders").newest()
    assert newest is not None
    assert (newest[1].run, newest[1].by, newest[1].tolerance) == (run.key, "ann", 0.001)


@pytest.mark.parametrize("version", [None, "", "None"])
def test_without_a_number_it_is_the_champion(registered: Registered, run: Run, version: object) -> None:
    with pytest.raises(AirflowFailException, match="orders has no champion; name the version"):
        run.execute(operator(registered, version=version))
    DeploymentLog(registered.store, "orders").promote(1, run="r", who="ann", why="first")
    assert run.execute(operator(registered, version=version))["version"] == 1


def test_what_is_not_the_same_fails_the_task_at_once_and_says_why(registered: Registered, run: Run) -> None:
    registered.blob(registered.record.trained.artifact).unlink()
    with pytest.raises(
        AirflowFailException, match="orders:1 is impossible; given the model file of orders:1"
    ):
        run.execute(operator(registered, version=1))
    assert run.xcoms["reproduce", "reproduction"]["outcome"] == "impossible"
    assert run.refusal("reproduce")["kind"] == "RegistryError"


@pytest.mark.parametrize(
    "arguments,says",
    [
        ({"version": 9}, "orders has no version 9"),
        ({"version": 1, "place": "there"}, "no such place"),
        ({"version": 1, "tolerance": "much"}, "tolerance is no number; given 'much'"),
    ],
)
def test_a_mistake_fails_at_once(
    registered: Registered, run: Run, arguments: dict[str, object], says: str
) -> None:
    with pytest.raises(AirflowFailException, match=says):
        run.execute(operator(registered, **arguments))
