"""Bringing an endpoint to a deployment, whatever goes wrong on the way."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from airflow_mlops.core.errors import (
    DeploymentFailed,
    DeploymentPending,
    DeploymentRolledBack,
    MlopsError,
    PlatformError,
)
from airflow_mlops.core.registry.deployments import NOTHING, Desired
from airflow_mlops.core.serving.sagemaker.history import History
from airflow_mlops.testing.sagemaker.faults import Fault
from tests.core.aws.killing import killed_at
from tests.core.serving import fakes
from tests.core.serving.sagemaker.conftest import Place
from tests.waiting import wait_until

NOW = timedelta(0)
CAPACITY = "InsufficientInstanceCapacity"
UPDATE, WEIGHTS = "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"
#: Everything that changes something, on SageMaker or in the store.
MUTATING = ("CreateModel", "CreateEndpointConfig", "CreateEndpoint", UPDATE, WEIGHTS, "PutObject")


def served(place: Place) -> list[int]:
    """The numbers of the deployments that were proved."""
    return [proof.desired.number for proof in History(place.store, fakes.MODEL).proofs()]


def settled(place: Place) -> None:
    wait_until(lambda: place.described()["EndpointStatus"] not in ("Updating", "RollingBack", "Creating"))


def test_a_canary_and_its_end_are_one_configuration_and_one_call_for_weights(place: Place) -> None:
    place.deploy("canary", 1, 2, weight=0.1)
    assert place.weights() == {"v1": 0.9, "v2": 0.1}
    place.deploy("canary", 1, 2, weight=0.5)
    place.deploy("promote", 2)
    assert place.weights() == {"v1": 0.0, "v2": 1.0}
    assert place.endpoint().describe().champion == 2
    # The way back is one call, too.
    place.deploy("rollback", 1)
    assert place.weights() == {"v1": 1.0, "v2": 0.0}
    assert (place.calls[UPDATE], place.calls[WEIGHTS]) == (1, 3)
    assert served(place) == [1, 2, 3, 4, 5]


def test_a_refused_challenger_costs_nothing_any_more(place: Place) -> None:
    place.deploy("canary", 1, 2, weight=0.1)
    ended = place.deploy("rollback", 1)
    wait_until(lambda: list(place.weights()) == ["v1"])
    place.endpoint().reconcile(ended, fakes.SOON)
    assert place.endpoint().describe() == ended


def test_asking_again_changes_nothing(place: Place) -> None:
    canary = place.deploy("canary", 1, 2, weight=0.1)
    place.calls.clear()
    place.endpoint().reconcile(canary, NOW)
    assert not {name: count for name, count in place.calls.items() if name in MUTATING}


def test_a_change_is_waited_for_by_whoever_comes_next(place: Place) -> None:
    canary = place.decide("canary", 1, 2, weight=0.1)
    for _ in range(2):
        with pytest.raises(DeploymentPending, match="Updating"):
            place.endpoint().reconcile(canary, NOW)
    place.endpoint().reconcile(canary, fakes.SOON)
    assert place.endpoint().describe() == canary
    assert place.calls[UPDATE] == 1


def test_another_change_in_progress_is_waited_for_and_then_ours_is_made(place: Place) -> None:
    canary = place.decide("canary", 1, 2, weight=0.1)
    with pytest.raises(DeploymentPending):
        place.endpoint().reconcile(canary, NOW)
    place.deploy("shadow", 1, 3)
    assert place.endpoint().describe().mode == "shadow"


def test_two_callers_make_one_change(place: Place) -> None:
    canary = place.decide("canary", 1, 2, weight=0.1)
    errors: list[BaseException] = []

    def reconcile() -> None:
        try:
            place.endpoint().reconcile(canary, fakes.SOON)
        except BaseException as error:
            errors.append(error)

    callers = [threading.Thread(target=reconcile) for _ in range(3)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not errors
    assert served(place) == [1, 2]
    assert len(place.configurations()) == 2


def test_an_older_deployment_never_undoes_a_newer_one(place: Place) -> None:
    older = place.decide("canary", 1, 2, weight=0.1)
    newer = place.deploy("shadow", 1, 2)
    with pytest.raises(DeploymentFailed, match=f"deployment {newer.number} came after it"):
        place.endpoint().reconcile(older, fakes.SOON)
    assert place.endpoint().describe() == newer


@pytest.mark.parametrize("patience", [NOW, fakes.SOON])
def test_a_rollback_is_an_error_with_sagemakers_reason(place: Place, patience: timedelta) -> None:
    """In service on the old configuration is no success, even for a process that did not ask for the change."""
    place.world.sagemaker.order(Fault("update_fails", UPDATE, message="The model server died of old age."))
    canary = place.decide("canary", 1, 2, weight=0.1)
    if patience == NOW:
        with pytest.raises(DeploymentPending):
            place.endpoint().reconcile(canary, NOW)
        settled(place)
    with pytest.raises(DeploymentRolledBack, match=r"The model server died of old age\..* champion 1"):
        place.endpoint().reconcile(canary, patience)
    assert served(place) == [1]
    # Whoever tries once more makes another attempt.
    place.endpoint().reconcile(canary, fakes.SOON)
    assert served(place) == [1, 2]


def test_a_rollback_without_a_reason_is_an_error_all_the_same(place: Place) -> None:
    place.world.sagemaker.order(Fault("update_fails", UPDATE, message=""))
    with pytest.raises(DeploymentRolledBack, match="gives no reason"):
        place.deploy("canary", 1, 2, weight=0.1)


def test_weights_that_do_not_come_are_an_error(place: Place) -> None:
    place.deploy("canary", 1, 2, weight=0.1)
    place.world.sagemaker.order(Fault("update_fails", WEIGHTS, message="No weights today."))
    with pytest.raises(DeploymentRolledBack, match="No weights today"):
        place.deploy("promote", 2)
    assert place.endpoint().describe().mode == "canary"


def test_a_model_that_can_not_be_loaded_is_said(place: Place) -> None:
    with pytest.raises(DeploymentRolledBack, match=r"health check.*/aws/sagemaker/Endpoints"):
        place.deploy("shadow", 1, fakes.UNLOADABLE)
    assert place.endpoint().describe().champion == 1


def test_an_endpoint_that_could_not_be_made_is_made_anew(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.world.sagemaker.order(Fault("capacity", "CreateEndpoint"))
    first = place.decide("promote", 1)
    with pytest.raises(DeploymentFailed, match=CAPACITY):
        place.endpoint().reconcile(first, fakes.SOON)
    assert place.endpoint().describe() == NOTHING
    place.endpoint().reconcile(first, fakes.SOON)
    assert place.endpoint().describe() == first


def test_a_rollback_that_failed_is_final_and_named(place: Place) -> None:
    place.world.sagemaker.order(Fault("update_fails", UPDATE))
    place.world.sagemaker.order(Fault("rollback_fails", UPDATE))
    canary = place.decide("canary", 1, 2, weight=0.1)
    for _ in range(2):
        with pytest.raises(DeploymentFailed, match=r"UpdateRollbackFailed.*aws sagemaker delete-endpoint"):
            place.endpoint().reconcile(canary, fakes.SOON)
    place.sagemaker.delete_endpoint(EndpointName=place.name)
    place.endpoint().reconcile(canary, fakes.SOON)
    assert place.endpoint().describe() == canary


def test_an_endpoint_that_was_deleted_by_hand_is_made_again(place: Place) -> None:
    place.sagemaker.delete_endpoint(EndpointName=place.name)
    wait_until(lambda: place.endpoint().describe() == NOTHING)
    desired = Desired(number=1, mode="champion", champion=1)
    place.endpoint().reconcile(desired, fakes.SOON)
    assert place.endpoint().describe() == desired


def test_traffic_that_was_changed_by_hand_is_seen_and_put_right(place: Place) -> None:
    canary = place.deploy("canary", 1, 2, weight=0.1)
    halves = [{"VariantName": name, "DesiredWeight": 0.5} for name in ("v1", "v2")]
    place.sagemaker.update_endpoint_weights_and_capacities(
        EndpointName=place.name, DesiredWeightsAndCapacities=halves
    )
    wait_until(lambda: place.endpoint().describe().weight == 0.5)
    place.endpoint().reconcile(canary, fakes.SOON)
    assert place.endpoint().describe() == canary


def test_what_describe_shows_late_is_no_rollback(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator = place.world.sagemaker.simulator
    monkeypatch.setattr(simulator, "timing", dataclasses.replace(simulator.timing, lag=timedelta(seconds=1)))
    place.deploy("canary", 1, 2, weight=0.1)
    promoted = place.deploy("promote", 2)
    time.sleep(1)
    assert place.endpoint().describe() == promoted
    assert (place.calls[UPDATE], place.calls[WEIGHTS]) == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
def test_whoever_dies_in_the_middle_is_followed_by_another(
    make_place: Callable[..., Place], after: bool
) -> None:
    """Killed at each call that changes something, of the way from nothing to a promoted challenger."""
    place = make_place()
    steps = (
        ("promote", 1, None, 0.0),
        ("canary", 1, 2, 0.1),
        ("promote", 2, None, 0.0),
        ("shadow", 2, 1, 0.0),
    )
    for action, champion, challenger, weight in steps:
        desired = place.decide(action, champion, challenger, weight=weight)  # type: ignore[arg-type]
        cut, number = True, 0
        while cut:
            number += 1
            with killed_at(number, after=after, only=MUTATING) as life:
                place.endpoint().reconcile(desired, fakes.SOON)
            # Each try gets further than the one before, as it finds what that has done.
            cut = life.cut and number < 12
        assert not life.cut
        assert place.endpoint().describe() == desired
    assert served(place) == [1, 2, 3, 4]
    assert place.calls["CreateEndpoint"] <= 2
    # One configuration for each step that needs one.
    assert len(place.configurations()) == 3


def test_leases_are_not_ended_by_sagemaker_but_by_whoever_asks(place: Place) -> None:
    place.deploy("canary", 1, 2, weight=0.1, lease=timedelta(0))
    assert place.endpoint().describe().mode == "champion"


def test_a_configuration_that_was_deleted_under_its_endpoint_is_named(place: Place) -> None:
    config = place.described()["EndpointConfigName"]
    place.sagemaker.delete_endpoint_config(EndpointConfigName=config)
    canary = place.decide("canary", 1, 2, weight=0.1)
    with pytest.raises(MlopsError, match=config):
        place.endpoint().reconcile(canary, fakes.SOON)
    assert place.endpoint().describe().champion == 1


def test_nothing_deployed_is_nothing_to_do(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.endpoint().reconcile(NOTHING, NOW)
    assert place.endpoint().describe() == NOTHING
    assert not place.calls["CreateEndpoint"]


def test_what_is_missing_is_named(make_place: Callable[..., Place]) -> None:
    place = make_place()
    place.settings = place.settings.model_copy(update={"role_arn": None})
    with pytest.raises(PlatformError, match=r"sagemaker\.role_arn"):
        place.deploy("promote", 1)
    assert not place.configurations()


def test_a_change_that_takes_too_long_has_failed(make_place: Callable[..., Place]) -> None:
    place = make_place(hosting={"slowest_change": timedelta(milliseconds=1)})
    first = place.decide("promote", 1)
    with pytest.raises(DeploymentFailed, match="slowest_change"):
        place.endpoint().reconcile(first, fakes.SOON)
