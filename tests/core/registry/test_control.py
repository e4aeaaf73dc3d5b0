"""Hold, resume and abort: entries of the deployment log, by a run that is not the challenger's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_mlops.core.errors import DeploymentConflict, RolloutHeld
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.store import Store
from tests.core.registry.conftest import Advance
from tests.core.registry.world import MODEL, register_many

HOUR = timedelta(hours=1)
ANN = {"who": "ann", "why": "release"}
BOB = {"who": "bob", "why": "a sale starts"}


@pytest.fixture
def log(store: Store, advance: Advance) -> DeploymentLog:
    """Version 2 gets 20 % of the requests beside version 1, for an hour."""
    register_many(store, 3)
    log = DeploymentLog(store, MODEL)
    log.promote(1, run="first", **ANN)
    log.challenge(2, weight=0.2, lease=HOUR, run="release", **ANN)
    return log


def hold(log: DeploymentLog, run: str = "control/1", lease: timedelta = 24 * HOUR, **over: Any) -> int:
    return log.hold(lease=lease, run=run, **{**BOB, **over})


def resume(log: DeploymentLog, run: str = "control/2", lease: timedelta = 2 * HOUR) -> int:
    return log.resume(lease=lease, run=run, **BOB)


def newest(log: DeploymentLog) -> Deployment:
    found = log.log.newest()
    assert found is not None
    return found[1]


def test_a_hold_keeps_the_place_and_lengthens_the_lease(log: DeploymentLog, advance: Advance) -> None:
    before = newest(log)
    now = advance(HOUR / 2)
    assert hold(log) == 3
    entry = newest(log)
    changed = {"held", "lease_until", "who", "why", "control", "at"}
    assert entry.model_dump(exclude=changed) == before.model_dump(exclude=changed)
    assert (entry.held, entry.who, entry.why, entry.control) == (True, "bob", "a sale starts", "control/1")
    assert (entry.at, entry.lease_until) == (now, now + 24 * HOUR)
    advance(2 * HOUR)
    assert log.desired().model_dump() == {
        "number": 3,
        "mode": "canary",
        "champion": 1,
        "challenger": 2,
        "weight": 0.2,
    }


def test_a_resume_gives_a_new_lease(log: DeploymentLog, advance: Advance) -> None:
    hold(log)
    now = advance(5 * HOUR)
    assert resume(log) == 4
    entry = newest(log)
    assert (entry.held, entry.run, entry.control) == (False, "release", "control/2")
    assert (entry.weight, entry.lease_until) == (0.2, now + 2 * HOUR)


def test_doing_it_again_changes_nothing(log: DeploymentLog) -> None:
    assert resume(log, "control/0") == 2, "nothing is held"
    assert [hold(log), hold(log), hold(log, "control/3")] == [3, 3, 3]
    assert [resume(log), resume(log), resume(log, "control/4")] == [4, 4, 4]


def test_a_retried_hold_does_not_undo_the_resume_after_it(log: DeploymentLog) -> None:
    hold(log, "control/1")
    resume(log, "control/2")
    assert hold(log, "control/1") == 4
    assert not newest(log).held
    hold(log, "control/3")
    assert resume(log, "control/2") == 5
    assert newest(log).held


def test_a_retried_hold_is_done_though_the_rollout_is_over(log: DeploymentLog) -> None:
    hold(log)
    log.withdraw(run="release", **ANN)
    assert hold(log) == 4


def test_the_release_itself_may_hold_more_than_once(log: DeploymentLog) -> None:
    assert hold(log, "release") == 3
    assert newest(log).control is None
    resume(log)
    assert hold(log, "release", challenger=2) == 5


@pytest.mark.parametrize("decide", [hold, resume])
def test_without_a_challenger_there_is_nothing_to_hold(
    log: DeploymentLog, decide: Callable[[DeploymentLog], int]
) -> None:
    log.withdraw(run="release", **ANN)
    with pytest.raises(DeploymentConflict) as caught:
        decide(log)
    assert str(caught.value) == (
        "no rollout of orders in progress; given newest entry rollback by ann: release; "
        "a release that has not come to its rollout is ended by marking its run as failed"
    )
    assert log.log.last_number() == 3


def test_before_anything_is_deployed(store: Store) -> None:
    log = DeploymentLog(store, MODEL)
    for decide in (hold, resume, lambda log: log.abort(run="control/1", **BOB)):
        with pytest.raises(DeploymentConflict, match="no rollout of orders in progress; a release"):
            decide(log)


def test_another_version_is_not_held(log: DeploymentLog) -> None:
    with pytest.raises(DeploymentConflict, match="no rollout of orders in progress with version 3"):
        hold(log, challenger=3)


@pytest.mark.parametrize("decide", [hold, resume])
def test_a_place_that_is_over_is_neither_held_nor_resumed(
    log: DeploymentLog, advance: Advance, decide: Callable[[DeploymentLog], int]
) -> None:
    advance(HOUR)
    with pytest.raises(
        DeploymentConflict,
        match=r"the place of version 2 of orders ended at 2024-01-01 01:00:00 UTC; .*; start a new release",
    ):
        decide(log)


def test_a_hold_that_ran_out_can_not_be_resumed(log: DeploymentLog, advance: Advance) -> None:
    hold(log, lease=HOUR)
    advance(HOUR)
    assert log.desired().mode == "champion"
    with pytest.raises(DeploymentConflict, match="given newest entry canary by bob: a sale starts"):
        resume(log)


# --- what a hold stops ---


def test_a_held_challenger_moves_nowhere(log: DeploymentLog) -> None:
    hold(log)
    with pytest.raises(RolloutHeld) as caught:
        log.challenge(2, weight=0.5, lease=HOUR, run="release", **ANN)
    assert (caught.value.stage, caught.value.version) == ("canary", 2)
    assert str(caught.value) == (
        "version 2 of orders is held in canary; given hold by bob: a sale starts; resume or abort the rollout"
    )
    with pytest.raises(RolloutHeld):
        log.promote(2, run="release", **ANN)
    assert log.challenge(2, weight=0.2, lease=HOUR, run="release", **ANN) == 3, "a retry of what it has"
    resume(log)
    assert log.challenge(2, weight=0.5, lease=HOUR, run="release", **ANN) == 5
    assert log.promote(2, run="release", **ANN) == 6


def test_after_a_hold_that_ran_out_the_challenger_stays_out(log: DeploymentLog, advance: Advance) -> None:
    hold(log)
    advance(24 * HOUR)
    for weight in (0.2, 0.5):
        with pytest.raises(
            DeploymentConflict, match=r"the hold of version 2 of orders was over at 2024-01-02"
        ):
            log.challenge(2, weight=weight, lease=HOUR, run="release", **ANN)
    with pytest.raises(DeploymentConflict, match="the place of version 2 of orders ended"):
        log.promote(2, run="release", **ANN)
    assert log.challenge(3, weight=0.2, lease=HOUR, run="next", **ANN) == 4, "the place is free"


def test_a_held_place_is_taken(log: DeploymentLog, advance: Advance) -> None:
    hold(log)
    advance(2 * HOUR)
    with pytest.raises(DeploymentConflict, match="version 2 of orders is in canary by release"):
        log.challenge(3, weight=0.0, lease=HOUR, run="next", **ANN)


def test_the_ways_back_stay_open(log: DeploymentLog) -> None:
    hold(log)
    assert log.withdraw(run="release", **ANN) == 4
    assert log.desired().mode == "champion"
    log.challenge(2, weight=0.2, lease=HOUR, run="again", **ANN)
    hold(log, "control/3")
    log.rollback(to=3, run="back", **BOB)
    assert (log.desired().mode, log.champion()) == ("champion", 3)


# --- abort ---


@pytest.mark.parametrize("held", [False, True])
def test_an_abort_takes_the_challenger_out(log: DeploymentLog, held: bool) -> None:
    if held:
        hold(log)
    number = log.abort(run="control/9", **BOB)
    assert (log.desired().mode, log.champion(), log.desired().number) == ("champion", 1, number)
    entry = newest(log)
    assert (entry.action, entry.challenger, entry.held, entry.who) == ("rollback", None, False, "bob")
    with pytest.raises(DeploymentConflict, match="taken out; given rollback by bob: a sale starts"):
        log.challenge(2, weight=0.5, lease=HOUR, run="release", **ANN)
    with pytest.raises(DeploymentConflict, match="rollback by bob: a sale starts"):
        log.promote(2, run="release", **ANN)


def test_a_retried_abort_spares_the_next_rollout(log: DeploymentLog) -> None:
    number = log.abort(run="control/9", **BOB)
    assert log.abort(run="control/9", **BOB) == number
    log.challenge(3, weight=0.2, lease=HOUR, run="next", **ANN)
    log.abort(run="control/9", **BOB)
    assert log.desired().challenger == 3


def test_an_abort_without_a_challenger(log: DeploymentLog) -> None:
    log.abort(run="control/9", **BOB)
    with pytest.raises(
        DeploymentConflict, match="no rollout of orders in progress; given newest entry rollback"
    ):
        log.abort(run="control/10", **BOB)


def test_an_abort_after_the_lease_keeps_the_release_from_coming_back(
    log: DeploymentLog, advance: Advance
) -> None:
    advance(HOUR)
    log.abort(run="control/9", **BOB)
    with pytest.raises(DeploymentConflict, match="start a new release"):
        log.challenge(2, weight=0.5, lease=HOUR, run="release", **ANN)


def test_an_abort_is_no_champion_to_go_back_to(log: DeploymentLog) -> None:
    log.promote(2, run="release", **ANN)
    log.challenge(3, weight=0.2, lease=HOUR, run="next", **ANN)
    hold(log)
    log.abort(run="control/9", **BOB)
    assert log.rollback(to=None, run="back", **BOB) == log.desired().number
    assert log.champion() == 1


# --- reading ---


def test_backwards_reads_from_the_newest_entry(log: DeploymentLog, store: Store) -> None:
    hold(log)
    assert [number for number, _ in log.backwards()] == [3, 2, 1]
    assert next(iter(log.backwards()))[1].held
    assert list(DeploymentLog(store, "nothing").backwards()) == []


def test_an_entry_from_before_holds_were_known_is_not_held(log: DeploymentLog) -> None:
    old = newest(log).model_dump(mode="json", exclude={"held", "control"})
    assert Deployment.model_validate(old) == newest(log)
