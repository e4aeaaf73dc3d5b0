"""A person's hand on a rollout: it stays, goes on, or ends, and no evidence is lost or won by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_mlops.core.errors import DeploymentConflict, DeploymentFailed, RolloutHeld
from airflow_mlops.core.registry import deployments
from airflow_mlops.core.registry.deployments import Deployment, DeploymentLog
from airflow_mlops.core.rollout import conduct
from airflow_mlops.core.rollout.conduct import LEASE_SLACK, Conductor
from airflow_mlops.core.store import Store, open_store
from airflow_mlops.spec import ModelSpec
from tests.core.registry import world
from tests.core.rollout.fake_endpoint import FakeEndpoint

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
GATE = {"metric": "error_rate", "margin": 0.3}
STAGE = {"min_samples": 20, "max_duration": "1h", "gates": [GATE]}
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
Advance = Callable[[timedelta], None]


def spec(**rollout: Any) -> ModelSpec:
    sections = {"shadow": STAGE, "canary": {**STAGE, "steps": [0.5]}, "max_hold": "2d"}
    return world.spec(rollout={**sections, **rollout})


@pytest.fixture
def advance(monkeypatch: pytest.MonkeyPatch) -> Advance:
    """Stops the clock; moves it on by what it is given."""
    now = START

    def move(by: timedelta) -> None:
        nonlocal now
        now += by

    for module in (deployments, conduct):
        monkeypatch.setattr(module, "utc_now", lambda: now)
    return move


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(str(tmp_path / "store"))
    world.register_many(store, 3)
    return store


@pytest.fixture
def endpoint() -> FakeEndpoint:
    return FakeEndpoint()


@pytest.fixture
def conductor(store: Store, endpoint: FakeEndpoint, advance: Advance) -> Callable[..., Conductor]:
    def make(run: str = "release/2", who: str = "ann", **rollout: Any) -> Conductor:
        return Conductor(store=store, endpoint=endpoint, spec=spec(**rollout), run=run, who=who)

    return make


@pytest.fixture
def release(conductor: Callable[..., Conductor], advance: Advance) -> Conductor:
    """Version 2 has been in shadow beside version 1 for a minute."""
    conductor("release/1").promote(1, [])
    release = conductor()
    release.challenge(2, 0.0)
    advance(timedelta(minutes=1))
    return release


@pytest.fixture
def bob(conductor: Callable[..., Conductor], release: Conductor) -> Conductor:
    return conductor("control/1", "bob")


@pytest.fixture
def again(conductor: Callable[..., Conductor], release: Conductor) -> Conductor:
    """Bob's next run."""
    return conductor("control/2", "bob")


def newest(store: Store) -> Deployment:
    found = DeploymentLog(store, world.MODEL).log.newest()
    assert found is not None
    return found[1]


def test_hold_and_resume_are_entries_that_the_endpoint_follows(
    bob: Conductor, again: Conductor, store: Store, endpoint: FakeEndpoint, advance: Advance
) -> None:
    held = bob.hold("a sale")
    assert (held.mode, held.champion, held.challenger, held.number) == ("shadow", 1, 2, 3)
    assert endpoint.serves == held
    entry = newest(store)
    assert (entry.held, entry.who, entry.why) == (True, "bob", "a sale")
    assert entry.lease_until == entry.at + 2 * DAY
    advance(DAY)
    resumed = again.resume("over")
    assert endpoint.serves == resumed
    assert (resumed.mode, resumed.number) == ("shadow", 4)
    assert newest(store).lease_until == newest(store).at + HOUR + LEASE_SLACK
    assert bob.hold("a sale") == resumed, "a retried task"


def test_a_held_challenger_is_not_promoted_and_goes_on_with_its_evidence(
    release: Conductor, bob: Conductor, again: Conductor, advance: Advance
) -> None:
    before = release.assess("shadow", 2)
    assert before.decision == "PROMOTE"
    bob.hold("a sale")
    advance(DAY)
    held = release.assess("shadow", 2)
    assert (held.decision, held.held) == ("CONTINUE", True)
    assert held.reason.startswith(
        "held by bob since 2024-01-01 00:01:00 UTC: a sale; waits for a resume; by now: all gates passed"
    )
    assert held.counts["samples"] == before.counts["samples"] > 0
    assert held.deployment == before.deployment == 2
    again.resume("over")
    after = release.assess("shadow", 2)
    assert (after.decision, after.held, after.deployment) == ("PROMOTE", False, 2)
    assert after.counts["samples"] == before.counts["samples"]


def test_evidence_over_a_hold_proves_the_promotion(
    release: Conductor, bob: Conductor, again: Conductor, advance: Advance
) -> None:
    bob.hold("a sale")
    again.resume("over")
    shadow = release.assess("shadow", 2)
    release.challenge(2, 0.5)
    advance(timedelta(minutes=1))
    canary = release.assess("canary", 2)
    assert [shadow.decision, canary.decision] == ["PROMOTE", "PROMOTE"]
    assert release.promote(2, [shadow, canary]).champion == 2


def test_a_failed_gate_rolls_a_held_challenger_back(
    release: Conductor, bob: Conductor, endpoint: FakeEndpoint
) -> None:
    bob.hold("a sale")
    endpoint.errors = 0.9
    verdict = release.assess("shadow", 2)
    assert (verdict.decision, verdict.held) == ("ROLLBACK", False)
    assert "failed: error_rate" in verdict.reason


def test_a_held_challenger_gets_no_larger_share(release: Conductor, bob: Conductor) -> None:
    verdict = release.assess("shadow", 2)
    bob.hold("a sale")
    with pytest.raises(RolloutHeld, match="version 2 of orders is held in shadow; given hold by bob: a sale"):
        release.challenge(2, 0.5)
    served = release.challenge(2, 0.0)
    assert served is not None
    assert served.number == 3, "a retry of what it has"
    assert verdict.decision == "PROMOTE"


def test_a_resume_after_the_end_of_the_stage_gives_it_its_duration_anew(
    release: Conductor, bob: Conductor, again: Conductor, endpoint: FakeEndpoint, advance: Advance
) -> None:
    endpoint.requests = 3
    bob.hold("too few requests")
    advance(DAY)
    assert release.assess("shadow", 2).decision == "CONTINUE"
    again.resume("wait for more")
    advance(timedelta(minutes=59))
    assert release.assess("shadow", 2).decision == "CONTINUE"
    advance(timedelta(minutes=1))
    assert release.assess("shadow", 2).decision == "INCONCLUSIVE"


def test_a_hold_that_ran_out_ends_the_rollout(
    release: Conductor, bob: Conductor, again: Conductor, advance: Advance
) -> None:
    bob.hold("a sale")
    advance(2 * DAY)
    assert release.reconcile().mode == "champion"
    verdict = release.assess("shadow", 2)
    assert verdict.decision == "ROLLBACK"
    assert verdict.reason.endswith("a sale; nobody resumed it before 2024-01-03 00:01:00 UTC")
    with pytest.raises(DeploymentConflict, match="start a new release"):
        again.resume("too late")
    with pytest.raises(DeploymentConflict, match="start a new release"):
        release.challenge(2, 0.0)


def test_an_abort_ends_the_rollout_with_its_reason(
    release: Conductor, bob: Conductor, endpoint: FakeEndpoint
) -> None:
    served = bob.abort("complaints")
    assert bob.abort("complaints") == served == endpoint.serves, "a retried task"
    assert (served.mode, served.champion) == ("champion", 1)
    verdict = release.assess("shadow", 2)
    assert (verdict.decision, verdict.reason) == (
        "ROLLBACK",
        "version 2 is not the challenger any more: rollback by bob: aborted: complaints",
    )
    with pytest.raises(DeploymentConflict, match="rollback by bob: aborted: complaints"):
        release.challenge(2, 0.5)
    assert release.conclude("refused") == served


def test_without_a_rollout_there_is_nothing_to_control(release: Conductor, bob: Conductor) -> None:
    release.conclude("over")
    for act in (bob.hold, bob.resume, bob.abort):
        with pytest.raises(DeploymentConflict, match="no rollout of orders in progress"):
            act("why")


def test_a_resume_needs_the_stage_in_the_spec(conductor: Callable[..., Conductor], bob: Conductor) -> None:
    bob.hold("a sale")
    with pytest.raises(DeploymentConflict, match="the spec of orders has no shadow stage"):
        conductor("control/2", shadow=None).resume("over")


def test_a_hold_that_the_endpoint_does_not_follow_stands_in_the_log(
    bob: Conductor, store: Store, endpoint: FakeEndpoint
) -> None:
    endpoint.refuses = lambda desired: desired.number == 3
    with pytest.raises(DeploymentFailed):
        bob.hold("a sale")
    assert newest(store).held
    endpoint.refuses = lambda desired: False
    assert bob.hold("a sale").number == 3


# --- an undecided stage that waits for a person ---


def test_an_undecided_stage_is_held_where_the_spec_says_so(
    conductor: Callable[..., Conductor],
    release: Conductor,
    again: Conductor,
    store: Store,
    endpoint: FakeEndpoint,
    advance: Advance,
) -> None:
    patient = conductor(inconclusive="hold")
    endpoint.requests = 3
    advance(HOUR)
    undecided = patient.assess("shadow", 2)
    assert undecided.decision == "INCONCLUSIVE"
    assert release.await_person(undecided) == undecided, "by its spec, nobody is waited for"
    said = patient.await_person(undecided)
    assert (said.decision, said.held) == ("CONTINUE", True)
    assert said.reason.startswith("held by judge since 2024-01-01 01:01:00 UTC: the longest duration is over")
    assert said.reason.endswith("waits for a resume")
    assert patient.await_person(undecided) == said, "a retried task"
    assert [newest(store).who, newest(store).why] == ["judge", undecided.reason]
    advance(DAY)
    again.resume("give it another hour")
    assert patient.assess("shadow", 2).decision == "CONTINUE"
    advance(HOUR)
    assert patient.await_person(patient.assess("shadow", 2)).held, "held once more"


def test_a_decision_in_the_midst_of_the_judges_hold_wins(
    conductor: Callable[..., Conductor], bob: Conductor, endpoint: FakeEndpoint, advance: Advance
) -> None:
    patient = conductor(inconclusive="hold")
    endpoint.requests = 3
    advance(HOUR)
    undecided = patient.assess("shadow", 2)
    bob.abort("complaints")
    said = patient.await_person(undecided)
    assert (said.decision, said.held) == ("ROLLBACK", False)
    assert "aborted: complaints" in said.reason


def test_the_judge_holds_only_the_challenger_that_it_judged(
    conductor: Callable[..., Conductor],
    bob: Conductor,
    endpoint: FakeEndpoint,
    advance: Advance,
    store: Store,
) -> None:
    patient = conductor(inconclusive="hold")
    endpoint.requests = 3
    advance(HOUR)
    undecided = patient.assess("shadow", 2)
    bob.abort("complaints")
    conductor("release/3").challenge(3, 0.0)
    assert patient.await_person(undecided).decision == "ROLLBACK"
    assert not newest(store).held


def test_a_place_that_ended_before_anybody_looked_is_not_held(
    conductor: Callable[..., Conductor], release: Conductor, endpoint: FakeEndpoint, advance: Advance
) -> None:
    patient = conductor(inconclusive="hold")
    endpoint.requests = 3
    advance(HOUR + LEASE_SLACK)
    undecided = patient.assess("shadow", 2)
    assert patient.await_person(undecided).decision == "INCONCLUSIVE"
