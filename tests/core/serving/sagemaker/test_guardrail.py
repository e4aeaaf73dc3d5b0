"""SageMaker's own canary: alarms lead back, and a rollback is an error with the reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_mlops.core.errors import DeploymentPending, DeploymentRolledBack, EndpointError, PlatformError
from airflow_mlops.core.registry.deployments import Desired
from tests.core.serving import fakes
from tests.core.serving.sagemaker.conftest import Place
from tests.waiting import wait_until

BAKE = timedelta(minutes=5)
GUARDED = {"strategy": "guardrail", "guardrail": {"size": 50, "bake": "5m", "max_latency_ms": 5000}}


@pytest.fixture
def place(make_place: Callable[..., Place]) -> Place:
    """With version 1 as its champion, under the constant name."""
    place = make_place(hosting=GUARDED)
    place.deploy("promote", 1)
    return place


def begin(place: Place, version: int) -> Desired:
    """Promote a version, and wait until a part of the requests goes to it."""
    desired = place.decide("promote", version)
    with pytest.raises(DeploymentPending):
        place.endpoint().reconcile(desired, timedelta(0))

    def bakes() -> bool:
        pending = place.described().get("PendingDeploymentSummary", {})
        states = [
            one["Status"] for part in pending.get("ProductionVariants", ()) for one in part["VariantStatus"]
        ]
        return states == ["Baking"]

    wait_until(bakes)
    return desired


def test_a_good_version_comes_in_after_it_has_baked(place: Place) -> None:
    promoted = begin(place, 2)
    serves = place.endpoint().describe()
    assert (serves.champion, serves.number) == (1, 1)
    answers = {place.endpoint().invoke([fakes.ROW]).variant for _ in range(40)}
    assert answers == {"v1", "v2"}
    place.world.sagemaker.advance(3 * BAKE)
    place.endpoint().reconcile(promoted, fakes.SOON)
    assert place.endpoint().describe() == promoted
    # All lie in one folder; the answers say who gave them.
    wait_until(lambda: len(list(place.endpoint().captures(place.world.sagemaker.now() - 4 * BAKE))) == 40)
    found = place.endpoint().captures(place.world.sagemaker.now() - 4 * BAKE)
    assert {record.variant for record in found} == {"v1", "v2"}


def test_a_bad_version_goes_back_by_its_alarm_and_that_is_an_error(place: Place) -> None:
    promoted = begin(place, fakes.FAILING)
    endpoint = place.endpoint()
    for _ in range(40):
        try:
            endpoint.invoke([fakes.ROW])
        except EndpointError:
            continue
    place.world.sagemaker.advance(timedelta(minutes=2))
    wait_until(lambda: place.described()["EndpointStatus"] == "InService")
    with pytest.raises(DeploymentRolledBack, match="alarm"):
        place.endpoint().reconcile(promoted, fakes.SOON)
    assert place.endpoint().describe().champion == 1


def test_one_canary_is_enough(place: Place) -> None:
    canary = place.decide("canary", 1, 2, weight=0.1)
    with pytest.raises(PlatformError, match=r"rollout\.canary.*sagemaker\.hosting\.strategy"):
        place.endpoint().reconcile(canary, fakes.SOON)


def test_a_version_can_be_named_though_its_variant_is_not(place: Place) -> None:
    assert place.endpoint().invoke([fakes.ROW], variant="v1").variant == "v1"
    with pytest.raises(EndpointError, match="v9"):
        place.endpoint().invoke([fakes.ROW], variant="v9")


def test_a_shadow_goes_beside_it(place: Place) -> None:
    shadow = place.deploy("shadow", 1, 2)
    assert place.endpoint().describe() == shadow
