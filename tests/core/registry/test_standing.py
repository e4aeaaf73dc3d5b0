"""How versions stand after what the deployment log says."""

from __future__ import annotations

from datetime import timedelta

from airflow_mlops.core.registry.deployments import DeploymentLog
from airflow_mlops.core.registry.standing import PENDING, Standing, note_refusal, refusal_of, standing
from airflow_mlops.core.store import Store
from tests.core.registry.conftest import Advance
from tests.core.registry.world import MODEL, register_many

HOUR = timedelta(hours=1)


def of(store: Store, version: int) -> Standing:
    return standing((entry for _, entry in DeploymentLog(store, MODEL).log.entries()), version)


def pending(reason: str) -> Standing:
    return Standing(approval="PendingManualApproval", reason=reason)


def approved(reason: str) -> Standing:
    return Standing(approval="Approved", reason=reason)


def rejected(reason: str) -> Standing:
    return Standing(approval="Rejected", reason=reason)


def test_a_release_from_registration_to_promotion(store: Store) -> None:
    register_many(store, 2)
    log = DeploymentLog(store, MODEL)
    assert of(store, 1) == PENDING
    log.promote(1, who="ann", why="first version", run="r1")
    assert of(store, 1) == approved("first version")
    log.challenge(2, weight=0.0, lease=HOUR, who="ann", why="shadow", run="r2")
    assert of(store, 2) == pending("shadow")
    log.challenge(2, weight=0.2, lease=HOUR, who="ann", why="canary", run="r2")
    assert of(store, 2) == pending("canary")
    log.promote(2, who="ann", why="proved", run="r2")
    assert (of(store, 1), of(store, 2)) == (approved("first version"), approved("proved"))


def test_a_challenger_that_is_taken_out_is_rejected_with_the_reason(store: Store) -> None:
    register_many(store, 2)
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="ann", why="first version", run="r1")
    log.challenge(2, weight=0.2, lease=HOUR, who="ann", why="canary", run="r2")
    log.withdraw(who="judge", why="error_rate 0.09 is above 0.01", run="r2")
    assert of(store, 2) == rejected("error_rate 0.09 is above 0.01")
    assert of(store, 1) == approved("first version")
    log.challenge(2, weight=0.2, lease=HOUR, who="ann", why="once more", run="r3")
    assert of(store, 2) == pending("once more")


def test_another_challenger_in_an_expired_place(store: Store, advance: Advance) -> None:
    register_many(store, 3)
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="ann", why="first version", run="r1")
    log.challenge(2, weight=0.2, lease=HOUR, who="ann", why="canary", run="r2")
    advance(2 * HOUR)
    log.challenge(3, weight=0.2, lease=HOUR, who="ann", why="canary", run="r3")
    assert of(store, 2) == rejected("its place in the traffic ended undecided")
    assert of(store, 3) == pending("canary")


def test_rollbacks_and_the_fallback_rule(store: Store) -> None:
    register_many(store, 2)
    log = DeploymentLog(store, MODEL)
    log.promote(1, who="ann", why="first version", run="r1")
    log.challenge(2, weight=0.2, lease=HOUR, who="ann", why="canary", run="r2")
    log.promote(2, who="ann", why="proved", run="r2")
    log.rollback(to=None, who="bob", why="complaints", run="b1")
    assert (of(store, 1), of(store, 2)) == (approved("complaints"), rejected("complaints"))
    log.fallback(who="bob", why="both are bad", run="b2")
    assert (of(store, 1), of(store, 2)) == (rejected("both are bad"), rejected("complaints"))
    log.rollback(to=None, who="bob", why="mended", run="b3")
    assert of(store, 1) == approved("mended")


def test_the_first_reason_of_a_refusal_stays(store: Store) -> None:
    assert refusal_of(store, MODEL, 1) is None
    note_refusal(store, MODEL, 1, "nobody approved it")
    note_refusal(store, MODEL, 1, "the release did not finish")
    assert refusal_of(store, MODEL, 1) == "nobody approved it"
