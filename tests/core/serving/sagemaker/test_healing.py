"""A champion on SageMaker that can't answer is replaced, also where only CloudWatch knows of its failures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.errors import DeploymentRolledBack, EndpointError, KeyMissing
from airflow_mlops.core.registry.version import ModelVersion
from airflow_mlops.core.rollout import healing
from airflow_mlops.core.rollout.conduct import Conductor
from airflow_mlops.core.rollout.healing import heal
from airflow_mlops.core.serving.base import Counts
from airflow_mlops.core.store import Log, Store
from airflow_mlops.core.store.blobs import put_bytes
from airflow_mlops.core.store.folder import FolderStore
from airflow_mlops.testing.sagemaker import Fault
from tests.core.serving import fakes
from tests.core.serving.real_models import register
from tests.core.serving.sagemaker.conftest import Place
from tests.core.serving.sagemaker.script_mode import SAVED
from tests.core.training.world import spec_of

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, ModelVersion]:
    """A model and the entry of its version."""
    store = FolderStore(tmp_path_factory.mktemp("model") / "store")
    trained = register(store, 1)
    [(_, entry)] = Log(store, f"models/{fakes.MODEL}/versions", ModelVersion).entries()
    return store.read(f"blobs/{trained.artifact[:2]}/{trained.artifact}"), entry


def register_all(store: Store, record: tuple[bytes, ModelVersion], gone: int = 0) -> None:
    """Versions up to the last one with a role in these tests, all with the same model; of one it is gone."""
    artifact, entry = record
    put_bytes(store, artifact)
    log = Log(store, f"models/{fakes.MODEL}/versions", ModelVersion)
    for number in range(1, SAVED + 1):
        broken = entry.trained.model_copy(update={"artifact": "0" * 64})
        log.append(
            entry.model_copy(update={"trained": broken}) if number == gone else entry, after=number - 1
        )


@pytest.fixture
def conductor(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Conductor]:
    monkeypatch.setattr(healing, "utc_now", place.world.sagemaker.now)

    def make(run: str = "m1") -> Conductor:
        serving = {"fallback": {"default": 0.2}, "health": {"min_requests": 10, "window": "1h"}}
        spec = spec_of(name=fakes.MODEL, serving=serving)
        return Conductor(store=place.store, endpoint=place.endpoint(), spec=spec, run=run, who="ann")

    return make


def ask(place: Place, times: int = 15) -> list[Any]:
    """Send requests within whole minutes, and let them be captured and counted."""
    place.world.sagemaker.advance(MINUTE)
    answers: list[Any] = []
    for _ in range(times):
        try:
            answers.append(place.endpoint().invoke([fakes.ROW]))
        except EndpointError as error:
            answers.append(error)
    place.world.sagemaker.advance(10 * MINUTE)
    return answers


def test_the_endpoint_counts(place: Place) -> None:
    assert isinstance(place.endpoint(), Counts)


@pytest.mark.parametrize("failing", [fakes.FAILING, SAVED], ids=["uncaptured", "saved by the rule"])
def test_a_champion_that_fails_is_replaced(
    place: Place,
    conductor: Callable[..., Conductor],
    record: tuple[bytes, ModelVersion],
    failing: int,
) -> None:
    register_all(place.store, record)
    ask(place, 12)  # requests with rows, which version 1 answers
    assert heal(conductor("m0")).healthy
    place.deploy("promote", failing)
    ask(place)
    found = heal(conductor())
    assert (found.champion, found.healthy, found.switched, found.sick) == (1, True, True, failing), (
        found.reason
    )
    assert f"version {failing} failed 15 of 15 requests" in found.reason
    assert place.endpoint().describe().champion == 1
    assert heal(conductor()).entry == found.entry


def test_a_champion_that_does_not_come_up_is_replaced(
    place: Place, conductor: Callable[..., Conductor], record: tuple[bytes, ModelVersion]
) -> None:
    register_all(place.store, record)
    place.decide("promote", fakes.UNLOADABLE)
    with pytest.raises(DeploymentRolledBack) as failed:
        conductor().reconcile()
    assert failed.value.versions == (fakes.UNLOADABLE,)
    found = heal(conductor())
    assert (found.champion, found.switched, found.sick) == (1, True, fakes.UNLOADABLE)
    assert "health check" in found.reason


def test_no_machine_is_no_fault_of_the_version(
    place: Place, conductor: Callable[..., Conductor], record: tuple[bytes, ModelVersion]
) -> None:
    register_all(place.store, record)
    desired = place.decide("promote", 2)
    place.world.sagemaker.order(Fault("update_fails", "UpdateEndpoint", message="No capacity today."))
    with pytest.raises(DeploymentRolledBack, match="No capacity today"):
        heal(conductor())
    assert conductor().log.desired() == desired


def test_a_version_whose_archive_can_not_be_made_is_replaced(
    place: Place,
    conductor: Callable[..., Conductor],
    record: tuple[bytes, ModelVersion],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register_all(place.store, record, gone=2)
    place.decide("promote", 2)
    gone = conductor()
    calls = gone.endpoint._calls.make  # type: ignore[attr-defined]

    def missing(step: Any, live: Any) -> Any:
        if any(slot.version == 2 for slot in step.slots):
            raise KeyMissing("artifact is gone")
        return calls(step, live)

    monkeypatch.setattr(gone.endpoint._calls, "make", missing)  # type: ignore[attr-defined]
    found = heal(gone)
    assert (found.champion, found.switched, found.sick) == (1, True, 2)
